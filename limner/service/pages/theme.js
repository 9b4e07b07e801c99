// Not a module, so that it runs before the first paint: sets the remembered theme, if there is one.
(() => {
  try {
    const theme = localStorage.getItem("limner.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is blocked: the page follows the system's theme.
  }
})();
