import { createApp, h, ref } from "vue";
import "keywright/element";

const Settings = {
  setup() {
    const last = ref("none");
    const created = (event) => (last.value = event.detail.key.name);
    return () =>
      h("main", [
        h("h1", "Settings"),
        h("keywright-keys", { mount: "/manage", onCreated: created }),
        h("p", `Last created: ${last.value}`),
      ]);
  },
};

createApp(Settings).mount("#app");
