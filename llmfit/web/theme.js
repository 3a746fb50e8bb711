// Light or dark: the system's wish, unless the visitor chose. Not a module: it runs before the first paint.
(() => {
  const root = document.documentElement;
  const held = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  if (held()) root.dataset.theme = held();
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", () => {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      try { localStorage.setItem("theme", root.dataset.theme); } catch { /* not kept then */ }
    });
  });
})();
