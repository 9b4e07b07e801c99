// Not a module, so that it runs before the first paint: sets the remembered theme, if there is one, and keeps what is
// in another language than the reader's from being shown.
(() => {
  const root = document.documentElement;
  let language = navigator.language;
  try {
    const theme = localStorage.getItem("limner.theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    language = localStorage.getItem("limner.language") ?? language;
  } catch {
    // Storage is blocked: the page follows the system's theme and language.
  }
  if (!language.toLowerCase().startsWith(root.lang)) root.dataset.waiting = "";
})();
