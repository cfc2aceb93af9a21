// Draws palette indices in their exact colours, and what is known of the cells over them.
const SCALE = 3; // canvas pixels to a pixel of the game

export class View {
  constructor(canvas, facts) {
    this.canvas = canvas;
    this.facts = facts;
    [this.height, this.width] = facts.frame;
    canvas.width = SCALE * this.width;
    canvas.height = SCALE * this.height;
    this.context = canvas.getContext("2d");
    this.context.imageSmoothingEnabled = false;
    this.small = Object.assign(document.createElement("canvas"), { width: this.width, height: this.height });
    this.smallContext = this.small.getContext("2d");
    this.image = this.smallContext.createImageData(this.width, this.height);
    this.colours = coloursOf(facts.palette);
  }

  draw(indices) {
    const pixels = new Uint32Array(this.image.data.buffer);
    for (let i = 0; i < indices.length; i++) pixels[i] = this.colours[indices[i]];
    this.smallContext.putImageData(this.image, 0, 0);
    this.context.drawImage(this.small, 0, 0, this.canvas.width, this.canvas.height);
  }

  outline(isWrong) {
    this.context.strokeStyle = "#fff";
    this.context.lineWidth = 2;
    this.forCells((cell, x, y, w, h) => { if (isWrong(cell)) this.context.strokeRect(x + 1, y + 1, w - 2, h - 2); });
  }

  shade(strength) {
    this.forCells((cell, x, y, w, h) => {
      if (strength(cell) < 0.02) return;
      this.context.fillStyle = `rgba(255, 209, 102, ${0.7 * strength(cell)})`;
      this.context.fillRect(x, y, w, h);
    });
  }

  cellAt(event) {
    const box = this.canvas.getBoundingClientRect(), [rows, columns] = this.facts.grid;
    const row = Math.floor((event.clientY - box.top) / box.height * rows);
    const column = Math.floor((event.clientX - box.left) / box.width * columns);
    return row >= 0 && row < rows && column >= 0 && column < columns ? row * columns + column : null;
  }

  forCells(visit) {
    const [rows, columns] = this.facts.grid, w = this.canvas.width / columns, h = this.canvas.height / rows;
    for (let cell = 0; cell < rows * columns; cell++) visit(cell, cell % columns * w, Math.floor(cell / columns) * h, w, h);
  }
}

function coloursOf(hex) {
  const bytes = Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
  return Uint32Array.from({ length: 256 }, (_, i) => 0xff000000 | bytes[3 * i + 2] << 16 | bytes[3 * i + 1] << 8 | bytes[3 * i]);
}
