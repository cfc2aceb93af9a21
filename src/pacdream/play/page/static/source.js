// The same without a server: a worker dreams in the browser and is spoken to like a socket.
export function connect() {
  const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  const socket = { readyState: WebSocket.OPEN, send: (message) => worker.postMessage(message) };
  worker.onmessage = ({ data }) => socket.onmessage({ data });
  worker.onerror = ({ message }) => socket.onclose({ code: 1011, reason: message || "the dream could not be loaded" });
  return socket;
}
