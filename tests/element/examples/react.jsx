import { useState } from "react";
import { createRoot } from "react-dom/client";
import "keywright/element";

function Settings() {
  const [last, setLast] = useState("none");
  return (
    <main>
      <h1>Settings</h1>
      {/* Made anew each time that this renders, as when a key is created: the page keeps what it shows. */}
      <keywright-keys mount="/manage" headers={{ "x-tenant": "acme" }} oncreated={(event) => setLast(event.detail.key.name)} />
      <p>Last created: {last}</p>
    </main>
  );
}

createRoot(document.getElementById("app")).render(<Settings />);
