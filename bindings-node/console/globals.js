// esbuild puts these in place of the globals, so that a server may import the element: it renders nothing there.
export const HTMLElement = globalThis.HTMLElement ?? class {};
export const document = globalThis.document ?? { createTreeWalker: () => null, createComment: () => null };
