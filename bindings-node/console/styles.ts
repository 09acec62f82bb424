// `build.mjs` minifies what stands between these quotes.
const css = String.raw;

export const styles = css`
  :host {
    --accent: var(--keywright-accent, light-dark(#4f46e5, #a5b4fc));
    --on-accent: var(--keywright-on-accent, light-dark(#fff, #1e1b4b));
    --text: var(--keywright-text, light-dark(#1a1f36, #e8eaf0));
    --muted: var(--keywright-muted, light-dark(#596080, #a3aac0));
    --surface: var(--keywright-surface, light-dark(#fff, #171a23));
    --subtle: var(--keywright-subtle, light-dark(#f6f7fa, #20242f));
    --border: var(--keywright-border, light-dark(#dfe2ea, #353b4b));
    --control: var(--keywright-control-border, light-dark(#878fa8, #6d7590));
    --danger: var(--keywright-danger, light-dark(#b3261e, #ffb4ab));
    --on-danger: var(--keywright-on-danger, light-dark(#fff, #4a0f0b));
    --warning: var(--keywright-warning, light-dark(#8a4b00, #f5c26b));
    --success: var(--keywright-success, light-dark(#146c43, #7fd6a6));
    --radius: var(--keywright-radius, 8px);
    --line: 1px solid var(--border);
    --mono: var(--keywright-mono, ui-monospace, SFMono-Regular, Menlo, Consolas, monospace);
    display: block;
    color: var(--text);
    font-family: var(--keywright-font, inherit);
    font-size: var(--keywright-font-size, 0.875rem);
    line-height: 1.45;
    text-align: start;
    overflow-wrap: anywhere;
  }
  :host([hidden]) { display: none; }
  :host([theme="light"]) { color-scheme: light; }
  :host([theme="dark"]) { color-scheme: dark; }
  *, *::before { box-sizing: border-box; }
  [hidden] { display: none !important; }
  h2, h3, p, dl, dd, ul, fieldset, legend { margin: 0; padding: 0; }
  h2 { font-size: 1.25rem; font-weight: 600; line-height: 1.3; }
  h3 { font-size: 0.875rem; font-weight: 600; }
  small, .small, .rest, .resource, th, footer { font-size: 0.75rem; font-weight: 400; }
  small, .small, .resource, th, footer, .muted, .empty, dt, ::placeholder { color: var(--muted); opacity: 1; }
  .resource { font-weight: 600; text-transform: capitalize; }
  code { font-family: var(--mono); font-size: 0.92em; direction: ltr; unicode-bidi: isolate; }
  .rest { white-space: nowrap; }
  .off-screen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

  .page { container-type: inline-size; display: grid; gap: 0.75rem; }
  header, footer, .toolbar, .notice, .notice > div, .secret, .secrets li, .buttons, .choice { display: flex; gap: 0.5rem; }
  header, .toolbar, .notice, .secret, .buttons { flex-wrap: wrap; }
  header, footer, .notice, .secrets li { align-items: center; justify-content: space-between; column-gap: 1rem; }
  .toolbar input { flex: 1 1 12rem; }
  .toolbar select { flex: 0 1 auto; width: auto; }
  footer { min-height: 2rem; }

  button, input, select, textarea { font: inherit; color: inherit; min-height: 2rem; border: var(--line); border-radius: calc(var(--radius) * 0.75); background: var(--surface); }
  button { cursor: pointer; display: inline-flex; align-items: center; justify-content: center; padding: 0.25rem 0.75rem; font-weight: 500; white-space: nowrap; }
  button.quiet { border-color: transparent; background: none; color: var(--muted); padding-inline: 0.5rem; }
  button.quiet:hover { color: var(--text); }
  button:hover, tbody tr:hover { background: var(--subtle); }
  button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
  button.danger { background: var(--danger); border-color: var(--danger); color: var(--on-danger); }
  button.primary:hover, button.danger:hover { filter: brightness(1.08); }
  button.link { display: inline; min-height: 0; padding: 0; border: 0; background: none; font-weight: 550; text-align: start; white-space: normal; }
  button.link:hover { text-decoration: underline; }
  button:disabled, button[aria-disabled="true"] { opacity: 0.6; cursor: default; }
  :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
  input, select, textarea { width: 100%; padding: 0.25rem 0.5rem; border-color: var(--control); }
  textarea { padding-block: 0.375rem; resize: vertical; }
  [type="radio"], [type="checkbox"] { flex: none; width: 1rem; min-height: 1rem; margin: 0.125rem 0 0; accent-color: var(--accent); }
  [aria-invalid="true"] { border-color: var(--danger); }
  .wrong, .quiet-danger, .leaked > span, .copy_failed, .saved_hint { color: var(--danger); }
  .caution, .soon { color: var(--warning); }
  .copied { color: var(--success); }

  table, .notice, .empty, .skeleton, .scopes-list, .secret, .secrets { border: var(--line); border-radius: var(--radius); }
  table { background: var(--surface); overflow: clip; }
  table, thead, tbody, td small, .choice small { display: block; }
  /* The last group may be short, so that its size is not known before it is laid out. */
  tbody:not(:last-child) { content-visibility: auto; contain-intrinsic-block-size: auto 40rem; }
  /* Takes a group away at once without the work of taking its rows apart. */
  tbody.gone { content-visibility: hidden; contain-intrinsic-block-size: 0 !important; }
  tr { display: flex; }
  tbody tr, li + li, .skeleton div + div { border-top: var(--line); }
  th, td { flex: 1 1 0; min-width: 0; padding: 0.625rem 0.75rem; text-align: start; }
  th { padding-block: 0.5rem; }
  td small { margin-top: 0.125rem; }
  td small:empty { display: none; }
  .name, .scopes { flex-grow: 1.8; }
  .status, .expires { flex-grow: 1.3; }
  .actions { flex: 0 0 10.5rem; }
  td.actions { text-align: end; white-space: nowrap; padding-block: 0.3125rem; }
  td.actions > :first-child { margin-inline-end: 0.25rem; }
  tr:not(.active) .link { color: var(--muted); }
  .scope, .tag { display: inline-block; padding: 0 0.375em; border: var(--line); border-radius: 4px; }
  .scope { background: var(--subtle); font-size: 0.75rem; }
  .badge { display: inline-flex; align-items: center; gap: 0.375rem; white-space: nowrap; }
  .badge::before { content: ""; width: 0.5rem; height: 0.5rem; border-radius: 50%; border: 2px solid var(--muted); }
  .badge.active::before { border-color: var(--success); background: var(--success); }
  .badge.expired::before { border-color: var(--warning); }
  .badge.revoked::before { border-color: var(--danger); }

  .notice, .secret { padding: 0.625rem 0.75rem; background: var(--subtle); align-items: center; }
  .notice { border-inline-start: 3px solid var(--accent); }
  .notice.error { border-inline-start-color: var(--danger); }
  .notice p { flex: 1 1 16rem; }
  .empty { display: grid; justify-items: center; gap: 0.375rem; padding: 3rem 1rem; border-style: dashed; text-align: center; }
  .empty h3 { font-size: 1rem; color: var(--text); }
  .empty button { margin-top: 0.75rem; }
  .empty svg { height: 2rem; }
  .skeleton div { height: 3.6rem; background: linear-gradient(var(--border) 0 0) 0.75rem / 40% 0.75rem no-repeat; }

  dialog { width: min(34rem, calc(100vw - 1.5rem)); max-height: calc(100dvh - 1.5rem); padding: 0; border: var(--line); border-radius: calc(var(--radius) * 1.5); background: var(--surface); color: inherit; box-shadow: 0 16px 48px #0004; overflow: auto; overscroll-behavior: contain; scroll-padding-block-end: min(16rem, 50%); }
  dialog::backdrop { background: #0a0c187a; }
  dialog > h2 { padding: 1rem 1.25rem 0; font-size: 1rem; }
  dialog > :is(form, div) { background: inherit; display: grid; gap: 1rem; padding: 0.75rem 1.25rem 1.25rem; }
  .buttons { justify-content: flex-end; position: sticky; bottom: 0; margin: 0.25rem -1.25rem -1.25rem; padding: 0.75rem 1.25rem; border-top: var(--line); background: inherit; }
  .buttons > .notice { flex-basis: 100%; }
  .quiet-danger { margin-inline-end: auto; }
  .field, fieldset, section { display: grid; gap: 0.375rem; align-content: start; min-width: 0; border: 0; }
  .field > label, legend { font-weight: 600; }
  legend { margin-bottom: 0.375rem; }
  .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(12rem, 100%), 1fr)); gap: 1rem; }
  .choice { align-items: start; padding: 0.25rem 0; }
  .choice + .leaked { border-top: var(--line); padding-top: 0.75rem; }
  .scopes-list { display: grid; gap: 0.5rem; max-height: 15rem; padding: 0.625rem 0.75rem; overflow: auto; }
  .secret code { flex: 1 1 14rem; font-size: 1rem; user-select: all; }
  .told { min-height: 1.45em; }
  .description { white-space: pre-wrap; }
  dl { display: grid; grid-template-columns: minmax(7rem, auto) 1fr; gap: 0.375rem 1rem; }
  dd { min-width: 0; }
  .secrets li { padding: 0.625rem 0.75rem; list-style: none; }

  @container (max-width: 46rem) {
    tr { display: block; }
    tbody:not(:last-child) { contain-intrinsic-block-size: auto 120rem; }
    thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    tbody tr { padding: 0.625rem 0.75rem; }
    thead + tbody > :first-child { border: 0; }
    td { display: grid; grid-template-columns: minmax(6rem, 34%) 1fr; column-gap: 0.75rem; padding: 0.1875rem 0; }
    td::before { content: attr(data-label); color: var(--muted); font-size: 0.75rem; padding-top: 0.125rem; }
    td > * { grid-column: 2; justify-self: start; }
    td.name, td.actions { display: block; }
    td.name::before, td.actions::before { content: none; }
    td.actions { margin-top: 0.25rem; text-align: start; padding: 0; }
    td.actions button { border-color: var(--border); color: var(--text); margin-inline-end: 0.5rem; }
  }
  @media (max-width: 30rem) {
    dl { grid-template-columns: 1fr; gap: 0.125rem; }
    dd { margin-bottom: 0.5rem; }
    .toolbar > input { flex-basis: 100%; }
    .toolbar > select { flex-grow: 1; }
    .buttons { display: grid; grid-template-columns: 1fr 1fr; }
    .buttons > .notice, .buttons > :last-child:nth-of-type(odd) { grid-column: 1 / -1; }
    .buttons > button { margin: 0; white-space: normal; }
  }
  @media (max-height: 30rem) {
    .buttons { position: static; }
  }
  @media (prefers-reduced-motion: no-preference) {
    dialog[open] { animation: appear 0.14s ease-out; }
    @keyframes appear { from { opacity: 0; transform: translateY(0.5rem); } }
  }
  @media (forced-colors: active) {
    .primary, .danger { border-width: 2px; }
    .badge.active::before { background: CanvasText; }
  }
  @media print {
    .toolbar, button:not(.link), .actions, footer { display: none !important; }
    tbody { content-visibility: visible !important; }
    tr { break-inside: avoid; }
  }
`;
