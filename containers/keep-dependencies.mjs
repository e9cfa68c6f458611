// In the build stage of an image. With names: leaves only those dependencies in package.json, so that npm installs
// what this image runs with, at the versions of the lockfile. With --trim: removes from node_modules what only
// compilers, browsers and debuggers read.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const TRIMMED_FOLDERS = new Set(['browser', 'react-native', 'workerd']);
const TRIMMED_FILES = /\.(d\.[cm]?ts|map|md|markdown)$/;

const names = process.argv.slice(2);
if (names[0] === '--trim') trim('node_modules');
else keep(names);

function keep(kept) {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
  const unknown = kept.filter((name) => !(name in manifest.dependencies));
  if (unknown.length > 0) {
    throw new Error(`package.json has no dependency ${unknown.join(', ')}; correct the Dockerfile`);
  }
  manifest.dependencies = Object.fromEntries(kept.map((name) => [name, manifest.dependencies[name]]));
  // Node itself, for machines with an older one; the image has its own.
  delete manifest.optionalDependencies;
  delete manifest.devDependencies;
  delete manifest.scripts;
  writeFileSync('package.json', `${JSON.stringify(manifest, null, 2)}\n`);
}

function trim(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const isBuild = /[/\\]dist$/.test(folder);
      if (isBuild && TRIMMED_FOLDERS.has(entry.name)) rmSync(path, { recursive: true });
      else trim(path);
    } else if (TRIMMED_FILES.test(entry.name)) rmSync(path);
  }
}
