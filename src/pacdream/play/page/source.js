// Where pictures come from and keys go to: here a socket to the server; page/static has the other one.
export function connect() {
  const address = new URL("play", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  address.search = location.search;
  const socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  return socket;
}
