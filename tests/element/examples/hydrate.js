import { createElement } from "react";
import { hydrateRoot } from "react-dom/client";
import { Settings } from "./rendered.mjs";

hydrateRoot(document.getElementById("app"), createElement(Settings));
