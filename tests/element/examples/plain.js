document.querySelector("keywright-keys").addEventListener("created", ({ detail }) => {
  document.querySelector("output").textContent = detail.key.name;
});
