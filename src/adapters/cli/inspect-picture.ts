import sharp from 'sharp';
import type { Inspection } from './inspect-recording.ts';
import { durationText } from './terminal.ts';

const LABEL_WIDTH = 320;
const PLOT_WIDTH = 900;
const ROW_HEIGHT = 34;
const BAR_HEIGHT = 24;
const MARGIN = 16;
const TABLES_MAX = 200;

/** A PNG: rates over time, one line per table; times without rows are marked. */
export async function inspectionPicture(name: string, inspection: Inspection): Promise<Uint8Array> {
  return sharp(Buffer.from(inspectionSvg(name, inspection)))
    .png()
    .toBuffer();
}

function inspectionSvg(name: string, inspection: Inspection): string {
  const { startTimeNs = 0n, endTimeNs = 0n, tables } = inspection;
  const shown = tables.filter((table) => table.rowCount > 0).slice(0, TABLES_MAX);
  const width = LABEL_WIDTH + PLOT_WIDTH + 3 * MARGIN;
  const height = ROW_HEIGHT * (shown.length + 2) + 2 * MARGIN;
  const rows = shown.map(({ table, rateHz, rowCount, histogram }, index) => {
    const top = MARGIN + ROW_HEIGHT * (index + 1);
    const rate = rateHz === undefined ? `${rowCount} rows` : `${Number(rateHz.toPrecision(3))} Hz`;
    return [
      text(MARGIN, top + 12, 13, '#1f2430', shortened(table.name)),
      text(MARGIN, top + 26, 10, '#6b7280', `${rate}, ${rowCount.toLocaleString('en')} rows`),
      bars(histogram.over(startTimeNs, endTimeNs, PLOT_WIDTH / 3), top),
    ].join('');
  });
  const seconds = Number(endTimeNs - startTimeNs) / 1e9;
  const axis = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = LABEL_WIDTH + 2 * MARGIN + share * (PLOT_WIDTH - 60);
    return text(at, height - MARGIN, 10, '#6b7280', durationText(share * seconds));
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(MARGIN, MARGIN + 12, 15, '#1f2430', name),
    ...rows,
    ...axis,
    '</svg>',
  ].join('\n');
}

function bars(counts: Float64Array, top: number): string {
  const most = Math.max(...counts);
  const left = LABEL_WIDTH + 2 * MARGIN;
  return Array.from(counts, (count, index) => {
    const x = left + index * 3;
    if (count <= 0) return `<rect x="${x}" y="${top + BAR_HEIGHT - 2}" width="3" height="2" fill="#e0533d"/>`;
    const barHeight = Math.max(1, (count / most) * BAR_HEIGHT);
    return `<rect x="${x}" y="${(top + BAR_HEIGHT - barHeight).toFixed(1)}" width="2.4" height="${barHeight.toFixed(1)}" fill="#2f6fde"/>`;
  }).join('');
}

function text(x: number, y: number, size: number, colour: string, content: string): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return `<text x="${x}" y="${y}" font-size="${size}" fill="${colour}">${escaped}</text>`;
}

function shortened(name: string): string {
  return name.length <= 44 ? name : `${name.slice(0, 20)}…${name.slice(-22)}`;
}
