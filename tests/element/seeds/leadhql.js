// The dashboard keeps its session token in memory and sends it with each request.
const token = fetch("/session").then((response) => response.text());
document.querySelector("keywright-keys").headers = async () => ({ authorization: `Bearer ${await token}` });
