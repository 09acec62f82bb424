import { css } from "lit";

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
    --mono: var(--keywright-mono, ui-monospace, SFMono-Regular, Menlo, Consolas, monospace);
    display: block;
    color: var(--text);
    font-family: var(--keywright-font, inherit);
    font-size: var(--keywright-font-size, 0.875rem);
    line-height: 1.45;
    text-align: start;
  }
  :host([hidden]) { display: none; }
  :host([theme="light"]) { color-scheme: light; }
  :host([theme="dark"]) { color-scheme: dark; }
  *, *::before { box-sizing: border-box; }
  [hidden] { display: none !important; }
  h2, h3, p, dl, dd, ul { margin: 0; padding: 0; }
  h2 { font-size: 1.25rem; line-height: 1.3; font-weight: 600; letter-spacing: -0.01em; }
  h3 { font-size: 0.875rem; font-weight: 600; }
  .resource { font-size: 0.75rem; font-weight: 600; color: var(--muted); text-transform: capitalize; }
  small, .small { font-size: 0.75rem; color: var(--muted); font-weight: 400; }
  code { font-family: var(--mono); font-size: 0.92em; overflow-wrap: anywhere; }
  .muted { color: var(--muted); }
  .rest { white-space: nowrap; }
  .off-screen { position: absolute; width: 1px; height: 1px; margin: -1px; padding: 0; border: 0; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

  .page { container-type: inline-size; display: grid; gap: 0.875rem; }
  header { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; align-items: center; justify-content: space-between; }
  .toolbar { display: flex; flex-wrap: wrap; gap: 0.5rem; }
  .toolbar input { flex: 1 1 12rem; }
  .toolbar select { flex: 0 1 auto; width: auto; }
  footer { display: flex; gap: 1rem; align-items: center; justify-content: space-between; min-height: 2rem; color: var(--muted); font-size: 0.8125rem; }

  button, input, select, textarea { font: inherit; color: inherit; }
  button { cursor: pointer; display: inline-flex; align-items: center; justify-content: center; min-height: 2rem; padding: 0.25rem 0.75rem; border: 1px solid var(--border); border-radius: calc(var(--radius) * 0.75); background: var(--surface); font-weight: 500; white-space: nowrap; }
  button:hover { background: var(--subtle); }
  button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
  button.danger { background: var(--danger); border-color: var(--danger); color: var(--on-danger); }
  button.primary:hover, button.danger:hover { filter: brightness(1.08); }
  button.quiet { border-color: transparent; background: none; color: var(--muted); padding-inline: 0.5rem; }
  button.quiet:hover { background: var(--subtle); color: var(--text); }
  button.quiet-danger { color: var(--danger); }
  button.link { display: inline; min-height: 0; padding: 0; border: 0; background: none; font-weight: 550; text-align: start; white-space: normal; overflow-wrap: anywhere; }
  button.link:hover { text-decoration: underline; text-underline-offset: 0.2em; }
  button:disabled, button[aria-disabled="true"] { opacity: 0.6; cursor: default; }
  :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
  input:not([type="radio"], [type="checkbox"]), select, textarea { width: 100%; min-height: 2rem; padding: 0.25rem 0.625rem; border: 1px solid var(--control); border-radius: calc(var(--radius) * 0.75); background: var(--surface); }
  textarea { padding-block: 0.375rem; resize: vertical; }
  ::placeholder { color: var(--muted); opacity: 1; }
  [aria-invalid="true"] { border-color: var(--danger) !important; }
  .wrong { color: var(--danger); }
  .caution, .soon { color: var(--warning); }
  input[type="radio"], input[type="checkbox"] { flex: none; width: 1rem; height: 1rem; margin: 0.15rem 0 0; accent-color: var(--accent); }

  table { width: 100%; border-collapse: separate; border-spacing: 0; table-layout: fixed; border: 1px solid var(--border); border-radius: var(--radius); background: var(--surface); }
  th, td { padding: 0.625rem 0.75rem; text-align: start; vertical-align: top; overflow-wrap: anywhere; }
  th { padding-block: 0.5rem; font-size: 0.75rem; font-weight: 500; color: var(--muted); }
  td { border-top: 1px solid var(--border); }
  td small { display: block; margin-top: 0.125rem; }
  tbody tr:hover { background: var(--subtle); }
  th.name { width: 27%; }
  th.scopes { width: 23%; }
  th.actions { width: 10.5rem; }
  td.actions { text-align: end; white-space: nowrap; padding-block: 0.3125rem; }
  tr.revoked .name, tr.expired .name, tr.disabled .name { color: var(--muted); }
  .scope { display: inline-block; padding: 0 0.35em; border-radius: 4px; background: var(--subtle); border: 1px solid var(--border); font-size: 0.8125em; }
  .tag { padding: 0 0.4em; border: 1px solid var(--border); border-radius: 4px; font-size: 0.6875rem; }
  .badge { display: inline-flex; align-items: center; gap: 0.375rem; white-space: nowrap; }
  .badge::before { content: ""; width: 0.5rem; height: 0.5rem; border-radius: 50%; border: 2px solid var(--muted); }
  .badge.active::before { border-color: var(--success); background: var(--success); }
  .badge.expired::before { border-color: var(--warning); }
  .badge.revoked::before { border-color: var(--danger); }

  .notice { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; align-items: center; justify-content: space-between; padding: 0.625rem 0.75rem; border: 1px solid var(--border); border-inline-start: 3px solid var(--accent); border-radius: var(--radius); background: var(--subtle); overflow-wrap: anywhere; }
  .notice.error { border-inline-start-color: var(--danger); }
  .notice p { flex: 1 1 16rem; }
  .notice > div { display: flex; gap: 0.5rem; }
  .empty { display: grid; justify-items: center; gap: 0.375rem; padding: 3rem 1rem; border: 1px dashed var(--border); border-radius: var(--radius); text-align: center; color: var(--muted); }
  .empty h3 { font-size: 1rem; color: var(--text); }
  .empty button { margin-top: 0.75rem; }
  .empty svg { width: 2rem; height: 2rem; margin-bottom: 0.375rem; }
  .skeleton { display: grid; border: 1px solid var(--border); border-radius: var(--radius); }
  .skeleton div { height: 3.6rem; border-top: 1px solid var(--border); background: linear-gradient(var(--subtle), var(--subtle)) 0.75rem center / 40% 0.75rem no-repeat; }
  .skeleton div:first-child { height: 2.1rem; border-top: 0; }

  dialog { width: min(34rem, calc(100vw - 1.5rem)); max-height: calc(100dvh - 1.5rem); padding: 0; border: 1px solid var(--border); border-radius: calc(var(--radius) * 1.5); background: var(--surface); color: var(--text); box-shadow: 0 16px 48px rgb(0 0 0 / 0.24); overflow: auto; overscroll-behavior: contain; }
  dialog::backdrop { background: rgb(10 12 24 / 0.48); }
  dialog > h2 { padding: 1.125rem 1.25rem 0; font-size: 1.0625rem; overflow-wrap: anywhere; }
  dialog > :is(form, div) { background: inherit; display: grid; gap: 1rem; padding: 0.875rem 1.25rem 1.25rem; overflow-wrap: anywhere; }
  .buttons { display: flex; flex-wrap: wrap; gap: 0.5rem; justify-content: flex-end; position: sticky; bottom: 0; margin: 0.25rem -1.25rem -1.25rem; padding: 0.5rem 1.25rem 1.25rem; background: inherit; }
  .buttons > .quiet-danger:first-child { margin-inline-end: auto; }
  .field { display: grid; gap: 0.25rem; align-content: start; min-width: 0; }
  .field > label, legend { font-weight: 550; }
  .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(12rem, 100%), 1fr)); gap: 1rem; }
  fieldset { display: grid; gap: 0.375rem; min-width: 0; margin: 0; padding: 0; border: 0; }
  legend { padding: 0; margin-bottom: 0.375rem; }
  .choice { display: flex; gap: 0.5rem; align-items: start; padding: 0.25rem 0; }
  .choice small { display: block; }
  .choice.leaked { margin-top: 0.375rem; padding-top: 0.625rem; border-top: 1px solid var(--border); }
  .choice.leaked > span { color: var(--danger); }
  .scopes-list { display: grid; gap: 0.5rem; max-height: 15rem; padding: 0.625rem 0.75rem; border: 1px solid var(--border); border-radius: var(--radius); overflow: auto; }
  .secret { display: flex; flex-wrap: wrap; gap: 0.625rem; align-items: center; padding: 0.75rem; border: 1px solid var(--border); border-radius: var(--radius); background: var(--subtle); }
  .secret code { flex: 1 1 14rem; font-size: 0.9375rem; user-select: all; border-radius: 4px; }
  .told { min-height: 1.45em; font-size: 0.8125rem; }
  .told.copied { color: var(--success); }
  .told.copy_failed, .told.saved_hint { color: var(--danger); }
  .description { white-space: pre-wrap; }
  dl { display: grid; grid-template-columns: minmax(7rem, auto) 1fr; gap: 0.4rem 1rem; }
  dt { color: var(--muted); }
  dd { min-width: 0; }
  section { display: grid; gap: 0.375rem; }
  .secrets { list-style: none; border: 1px solid var(--border); border-radius: var(--radius); }
  .secrets li { display: flex; gap: 1rem; align-items: center; justify-content: space-between; padding: 0.5rem 0.75rem; }
  .secrets li + li { border-top: 1px solid var(--border); }

  @container (max-width: 46rem) {
    table, tbody, tr, td { display: block; }
    thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    tbody tr { padding: 0.625rem 0.75rem; }
    tbody tr + tr { border-top: 1px solid var(--border); }
    td { display: grid; grid-template-columns: minmax(6rem, 34%) 1fr; column-gap: 0.75rem; padding: 0.1875rem 0; border: 0; }
    td::before { content: attr(data-label); color: var(--muted); font-size: 0.75rem; padding-top: 0.1rem; }
    td > * { grid-column: 2; justify-self: start; }
    td.name, td.actions { display: block; }
    td.name::before, td.actions::before { content: none; }
    td.actions { margin-top: 0.25rem; text-align: start; padding: 0; }
    td.actions button { border-color: var(--border); color: var(--text); margin-inline-end: 0.5rem; }
  }
  @media (max-width: 30rem) {
    dl { grid-template-columns: 1fr; gap: 0.1rem; }
    dd { margin-bottom: 0.5rem; }
    .toolbar select { flex: 1 1 8rem; }
  }
  @media (prefers-reduced-motion: no-preference) {
    dialog[open] { animation: appear 0.14s ease-out; }
    @keyframes appear { from { opacity: 0; transform: translateY(0.5rem); } }
  }
  @media (forced-colors: active) {
    button.primary, button.danger { border-width: 2px; }
    .badge.active::before { background: CanvasText; }
  }
  @media print {
    .toolbar, button:not(.link), td.actions, th.actions, footer { display: none !important; }
    tr { break-inside: avoid; }
  }
`;
