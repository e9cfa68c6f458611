// After an install: puts the command line where npx and npm scripts look first, so that it starts at once.
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';

const link = new URL('../node_modules/.bin/landfall', import.meta.url);
mkdirSync(new URL('.', link), { recursive: true });
rmSync(link, { force: true });
symlinkSync('../../bin/landfall', link);
