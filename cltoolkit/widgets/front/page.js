// An exported page: views with no kernel behind them. Each gets a model that holds its state; picking a task in one picks it in all.

function held(state) {
  const heard = new Map();
  return {
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      (heard.get(`change:${name}`) ?? []).slice().forEach((each) => each());
    },
    save_changes() {},
    on(name, act) { heard.set(name, [...(heard.get(name) ?? []), act]); },
    off(name, act) { heard.set(name, (heard.get(name) ?? []).filter((each) => each !== act)); },
    send({ ask }) {
      const about = JSON.stringify(ask), error = "This page has no kernel behind it; ask this in a notebook.";
      setTimeout(() => (heard.get("msg:custom") ?? []).slice().forEach((each) => each({ about, error })));
    },
  };
}

const bytes = (text) => new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);

function open() {
  const models = [...document.querySelectorAll("script[type='application/json']")].map((script) => {
    const state = JSON.parse(script.textContent);
    for (const array of Object.values(state.arrays)) array.data = bytes(array.data);
    state.kernel = false;
    return [script.dataset.view, held(state), document.getElementById(script.dataset.at)];
  });
  if (document.querySelector("main").dataset.linked === "true") for (const [, model] of models) model.on("change:task", () => models.forEach(([, other]) => other.set("task", model.get("task"))));
  for (const [kind, model, el] of models) fronts[kind].render({ model, el });
}
