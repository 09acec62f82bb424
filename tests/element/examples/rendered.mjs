// One component, which the server renders and the browser takes over.
import { createElement as h, useEffect, useRef, useState } from "react";
import "keywright/element";

export function Settings() {
  const [last, setLast] = useState("none");
  const keys = useRef(null);
  // React does not attach the listeners of custom elements to what the server has rendered.
  useEffect(() => {
    const created = (event) => setLast(event.detail.key.name);
    const element = keys.current;
    element.addEventListener("created", created);
    return () => element.removeEventListener("created", created);
  }, []);
  return h("main", null, h("h1", null, "Settings"), h("keywright-keys", { mount: "/manage", ref: keys }), h("p", null, `Last created: ${last}`));
}
