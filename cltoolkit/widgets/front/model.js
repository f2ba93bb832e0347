// What a view reads from its model and writes to it, here and in the kernel.

const read = new WeakMap();

/** An array of the model: its shape and its numbers, which are not to be changed; null if there is none of that name. */
export function array(model, name) {
  const held = model.get("arrays")[name];
  if (!held) return null;
  if (!read.has(held)) {
    const { buffer, byteOffset, byteLength } = held.data;
    read.set(held, { shape: held.shape, values: new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength)) });
  }
  return read.get(held);
}

/** Sets a trait here and in the kernel. */
export function put(model, name, value) { putAll(model, { [name]: value }); }

/** Sets several traits at once, in one message. */
export function putAll(model, values) {
  const changed = Object.entries(values).filter(([name, value]) => model.get(name) !== value);
  for (const [name, value] of changed) model.set(name, value);
  if (changed.length) model.save_changes();
}

/** Asks the kernel; an exported page has the answers with it. Rejects with the words of an error. */
export function ask(model, question) {
  const about = JSON.stringify(question);
  const known = model.get("answers")[about];
  if (known !== undefined) return Promise.resolve(known);
  return new Promise((resolve, reject) => {
    const hear = (message) => {
      if (message.about !== about) return;
      model.off("msg:custom", hear);
      if (message.error === undefined) resolve(message.answer);
      else reject(new Error(message.error));
    };
    model.on("msg:custom", hear);
    model.send({ ask: question });
  });
}
