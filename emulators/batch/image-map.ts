// Which local program stands for a container image: `{ "landfall/validate": ["node", "containers/validate/main.ts"] }`.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';

export const ImageMapSchema = z.record(z.string(), z.array(z.string()).min(1));
export type ImageMap = z.output<typeof ImageMapSchema>;

/**
 * The program and its first arguments for an image, or undefined when the map does not know it. Registry, tag and digest
 * do not matter. Files are named relative to `rootFolder`, since a task runs in its own folder; `node` is the Node that
 * runs the emulator.
 */
export function programFor(image: string, map: ImageMap, rootFolder: string): string[] | undefined {
  const name = imageName(image);
  const entry = Object.entries(map).find(([known]) => imageName(known) === name)?.[1];
  return entry?.map((part, index) => {
    if (index === 0 && part === 'node') return process.execPath;
    const file = resolve(rootFolder, part);
    return existsSync(file) ? file : part;
  });
}

/** `registry.azurecr.io:443/landfall/validate:1.2@sha256:…` is `landfall/validate`. */
function imageName(image: string): string {
  const [withTag = ''] = image.split('@');
  const parts = withTag.split('/');
  const last = (parts.pop() ?? '').replace(/:.*$/, '');
  // A first part with a dot or a port is a registry.
  if (/[.:]|^localhost$/.test(parts[0] ?? '')) parts.shift();
  return [...parts, last].join('/');
}
