import { useState } from "react";
import { createRoot } from "react-dom/client";
import "keywright/element";

function Settings() {
  const [last, setLast] = useState("none");
  return (
    <main>
      <h1>Settings</h1>
      <keywright-keys mount="/manage" oncreated={(event) => setLast(event.detail.key.name)} />
      <p>Last created: {last}</p>
    </main>
  );
}

createRoot(document.getElementById("app")).render(<Settings />);
