"""The panel's style sheet.

Colours are those of the host (JupyterLab, VS Code) where it has any. No state is shown by colour
alone, and amounts have tabular figures.
"""

from __future__ import annotations

__all__ = ["CSS"]

CSS = """<style>
.sk-panel {
  --sk-ink: var(--jp-ui-font-color1, var(--vscode-editor-foreground, currentColor));
  --sk-soft: var(--jp-ui-font-color2, var(--vscode-descriptionForeground, currentColor));
  --sk-line:
    var(--jp-border-color2, var(--vscode-panel-border, color-mix(in srgb, currentColor 22%,
    transparent)));
  --sk-tint:
    var(--jp-layout-color2, var(--vscode-editorWidget-background, color-mix(in srgb,
    currentColor 6%, transparent)));
  --sk-good: #1a7f37;
  --sk-bad: #b3261e;
  --sk-warn: #8a5300;
  --sk-accent: #0b57d0;
  --sk-on-accent: #ffffff;
  color: var(--sk-ink);
  border: 1px solid var(--sk-line);
  border-radius: 10px;
  padding: 16px 18px;
  max-width: 920px;
  gap: 10px;
  overflow: visible;
  font-family: var(--jp-ui-font-family, var(--vscode-font-family, system-ui, sans-serif));
}
body[data-jp-theme-light="false"] .sk-panel,
body.vscode-dark .sk-panel,
body.theme-dark .sk-panel,
html[theme="dark"] .sk-panel {
  --sk-good: #5fd38d;
  --sk-bad: #ff9a8f;
  --sk-warn: #ffc66d;
  --sk-accent: #8ab4f8;
  --sk-on-accent: #0b1f3a;
}
.sk-panel .widget-html, .sk-panel .widget-html-content {
  margin: 0;
  width: auto;
  height: auto;
  line-height: 1.45;
  overflow: visible;
  font-size: 13px;
  color: var(--sk-ink);
}
.sk-panel .widget-html { flex: 0 0 auto; }
.sk-panel .sk-fill, .sk-panel .sk-fill > .widget-html-content { flex: 1 1 auto; width: 100%; }
.sk-panel .widget-hbox { gap: 8px; align-items: center; flex-wrap: wrap; overflow: visible; }
.sk-panel .widget-vbox { gap: 8px; overflow: visible; }
.sk-style { display: none; }
.sk-head {
  display: flex;
  gap: 16px;
  align-items: flex-start;
  justify-content: space-between;
  flex-wrap: wrap;
}
.sk-panel .sk-title {
  font-size: 17px;
  font-weight: 600;
  margin: 0;
  line-height: 1.3;
  color: var(--sk-ink);
  overflow-wrap: anywhere;
}
.sk-soft { color: var(--sk-soft); }
.sk-badge {
  display: inline-block;
  border: 1px solid var(--sk-line);
  border-radius: 999px;
  padding: 1px 10px;
  font-size: 12px;
  font-weight: 600;
  white-space: nowrap;
}
.sk-badge.sk-live { border-color: var(--sk-bad); color: var(--sk-bad); }
.sk-tiles { display: flex; flex-wrap: wrap; gap: 4px 28px; }
.sk-tile { min-width: 84px; }
.sk-tile span { display: block; font-size: 12px; color: var(--sk-soft); }
.sk-tile b {
  font-size: 20px;
  font-weight: 600;
  font-variant-numeric: tabular-nums;
  line-height: 1.35;
  white-space: nowrap;
}
.sk-tile.sk-is-bad b { color: var(--sk-bad); }
.sk-tile.sk-is-warn b { color: var(--sk-warn); }
.sk-panel table {
  border-collapse: collapse;
  margin: 6px 0 0;
  font-size: 13px;
  border: 0;
  color: var(--sk-ink);
  background: none;
  table-layout: auto;
}
.sk-panel table th, .sk-panel table td {
  padding: 4px 18px 4px 0 !important;
  border: 0 !important;
  border-bottom: 1px solid var(--sk-line) !important;
  vertical-align: top;
  background: none;
  max-width: 34em;
  overflow-wrap: break-word;
  white-space: normal;
}
.sk-panel table tr { background: none !important; }
.sk-panel table thead th {
  white-space: nowrap;
  font-weight: 600;
  color: var(--sk-soft);
  font-size: 12px;
}
.sk-panel table td { font-variant-numeric: tabular-nums; }
.sk-panel .sk-first table td:first-child, .sk-panel .sk-first table td:nth-child(2) {
  white-space: nowrap;
}
.sk-panel .sk-nowrap table td { overflow-wrap: normal; }
.sk-panel .sk-nowrap table td:not(:last-child) { white-space: nowrap; }
.sk-scroll { max-height: 260px; overflow: auto; border-radius: 4px; }
.sk-scroll:focus-visible { outline: 2px solid var(--sk-accent); outline-offset: 2px; }
.sk-panel details > summary { cursor: pointer; font-weight: 600; padding: 2px 0; }
.sk-panel details > summary:focus-visible {
  outline: 2px solid var(--sk-accent);
  outline-offset: 2px;
  border-radius: 4px;
}
.sk-bar {
  display: flex;
  height: 8px;
  border-radius: 999px;
  background: var(--sk-tint);
  border: 1px solid var(--sk-line);
  overflow: hidden;
  margin: 6px 0 10px;
}
.sk-bar > .sk-shipped { background: var(--sk-good); }
.sk-bar > .sk-failed { background: var(--sk-bad); }
.sk-bar > .sk-doubt { background: var(--sk-warn); }
.sk-state { font-size: 15px; font-weight: 600; }
.sk-state.sk-good { color: var(--sk-good); }
.sk-state.sk-bad { color: var(--sk-bad); }
.sk-state.sk-warn { color: var(--sk-warn); }
.sk-alert {
  border: 1px solid var(--sk-bad);
  border-left-width: 4px;
  border-radius: 6px;
  padding: 8px 12px;
  white-space: pre-wrap;
  overflow-wrap: anywhere;
}
.sk-note {
  border: 1px solid var(--sk-line);
  border-left: 4px solid var(--sk-warn);
  border-radius: 6px;
  padding: 8px 12px;
}
.sk-panel button.jupyter-button {
  width: auto;
  height: auto;
  min-height: 32px;
  padding: 4px 16px;
  font-size: 13px;
  line-height: 20px;
  border-radius: 6px;
  border: 1px solid var(--sk-line);
  background: var(--sk-tint);
  color: var(--sk-ink);
  white-space: normal;
  overflow: visible;
  text-overflow: clip;
  flex: 0 0 auto;
  max-width: 100%;
}
.sk-panel button.jupyter-button:hover:not(:disabled) {
  border-color: var(--sk-ink);
  box-shadow: none;
}
.sk-panel button.jupyter-button:focus-visible {
  outline: 2px solid var(--sk-accent);
  outline-offset: 2px;
  box-shadow: none;
}
.sk-panel button.jupyter-button.sk-primary {
  background: var(--sk-accent);
  color: var(--sk-on-accent);
  border-color: var(--sk-accent);
  font-weight: 600;
}
.sk-panel button.jupyter-button:disabled { opacity: .55; cursor: default; }
.sk-panel .widget-text {
  width: auto;
  flex: 1 1 320px;
  height: auto;
  margin: 0;
  align-items: center;
}
.sk-panel .widget-text .widget-label {
  width: auto;
  color: var(--sk-ink);
  font-size: 13px;
  margin-right: 8px;
  height: auto;
}
.sk-panel .widget-text input {
  height: 32px !important;
  font-size: 13px !important;
  border-radius: 6px;
  border: 1px solid var(--sk-line) !important;
  background: var(--jp-layout-color1, transparent) !important;
  color: var(--sk-ink) !important;
  font-family: var(--jp-code-font-family, monospace) !important;
}
.sk-panel .widget-text input:focus {
  border-color: var(--sk-accent) !important;
  outline: 1px solid var(--sk-accent);
}
.sk-panel .widget-radio {
  display: flex;
  flex-direction: row;
  width: auto;
  height: auto;
  margin: 0;
  align-items: center;
}
.sk-panel .widget-radio .widget-label {
  width: auto;
  color: var(--sk-ink);
  font-size: 13px;
  margin-right: 12px;
  height: auto;
}
.sk-panel .widget-radio-box {
  flex-direction: row;
  gap: 16px;
  height: auto;
  margin: 0;
  width: auto;
  align-items: center;
  overflow: visible;
}
.sk-panel .widget-radio-box label {
  color: var(--sk-ink);
  font-size: 13px;
  height: auto;
  line-height: 20px;
  margin: 0;
  padding: 0 0 0 20px;
}
.sk-panel .widget-radio-box input { accent-color: var(--sk-accent); }
.sk-label-pictures figure { width: 220px !important; }
.sk-panel a { color: var(--sk-accent); text-decoration: underline; }
.sk-panel ul { margin: 4px 0 0; padding-left: 20px; }
</style>"""
