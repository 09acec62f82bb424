// The dashboard keeps its session token in memory and sends it with each request. It runs before the element's script, so
// that the first requests have it too.
const token = fetch("/session").then((response) => response.text());
document.querySelector("keywright-keys").headers = async () => ({ authorization: `Bearer ${await token}` });
