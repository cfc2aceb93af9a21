// Reads the bytes that pacdream/play/wire.py writes; the two change together.
const HEADER_BYTES = 40;

export function readTick(buffer, facts) {
  const view = new DataView(buffer);
  if (view.getUint32(0) !== 0x50414331) throw new Error("not a picture of this server");
  const [rows, columns] = facts.grid, cells = rows * columns;
  const pixels = facts.frame[0] * facts.frame[1];
  let at = HEADER_BYTES;
  const codes = numbers(view, at, cells); at += 2 * cells;
  const realCodes = numbers(view, at, cells); at += 2 * cells;
  const bytes = (count) => { const part = new Uint8Array(buffer, at, count); at += count; return part; };
  return {
    step: view.getUint32(4, true), acknowledged: view.getUint32(8, true), leftAfter: view.getUint32(12, true),
    action: view.getUint16(16, true), paused: (view.getUint8(18) & 1) !== 0, recording: (view.getUint8(18) & 2) !== 0, over: view.getUint8(19) === 1,
    points: view.getFloat32(20, true), realPoints: view.getFloat32(24, true), lost: view.getFloat32(28, true),
    milliseconds: view.getFloat32(32, true), late: view.getFloat32(36, true),
    codes, realCodes, entropy: bytes(cells), dream: bytes(pixels), game: bytes(pixels),
  };
}

function numbers(view, at, count) {
  return Uint16Array.from({ length: count }, (_, i) => view.getUint16(at + 2 * i, true));
}
