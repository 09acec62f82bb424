// The bundle: defines <keywright-keys>, once, and only where there is a page.
import { KeywrightKeys } from "./element.js";

if (typeof customElements !== "undefined" && !customElements.get("keywright-keys")) {
  customElements.define("keywright-keys", KeywrightKeys);
}

export { KeywrightKeys };
export { en } from "./messages.js";
