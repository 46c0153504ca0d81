// Loaded before the first paint, so that a chosen theme never flashes.
"use strict";
{
  const kept = localStorage.getItem("foretide.theme");
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
}
