// Filters the ledger of claims, the list of runs and the advisor. Without scripts their forms stay hidden and everything
// is shown.
document.addEventListener("DOMContentLoaded", () => {
  const filter = (box, noun, wanted) => {
    const form = box.querySelector(".lifroles-filter");
    const items = [...box.querySelectorAll(".lifroles-item")];
    form.addEventListener("input", () => {
      const test = wanted(form);
      for (const item of items) item.hidden = !test(item);
      const shown = items.filter((item) => !item.hidden).length;
      form.querySelector("output").textContent = `${shown} of ${items.length} ${noun}`;
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
  };
  const chosenAndFound = (form) => {
    const chosen = [...form.querySelectorAll("select")];
    const searched = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    return (item) =>
      chosen.every((field) => !field.value || item.dataset[field.name] === field.value) &&
      searched.every((word) => item.textContent.toLowerCase().includes(word));
  };
  for (const ledger of document.querySelectorAll(".lifroles-ledger")) filter(ledger, "claims", chosenAndFound);
  for (const index of document.querySelectorAll(".lifroles-runs")) filter(index, "runs", chosenAndFound);
  for (const advisor of document.querySelectorAll(".lifroles-advisor")) {
    filter(advisor, "suggestions", (form) => {
      const needs = new FormData(form).getAll("need");
      return (suggestion) => needs.length === 0 || needs.includes(suggestion.dataset.need);
    });
  }
});
