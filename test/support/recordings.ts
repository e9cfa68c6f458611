// Real recordings are no part of the project. Tests that use them name a file here and skip where it is absent.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const PLACES = [process.env['LANDFALL_RECORDINGS'], '../shared/data', '../../shared/data'];

/** The path of a real recording such as `rosbag/can.bag`, or undefined where this machine does not have it. */
export function recordingPath(name: string): string | undefined {
  return PLACES.flatMap((place) => (place === undefined ? [] : join(place, name))).find(existsSync);
}

/** The path of a real recording; skips the test or suite that asks for it where it is absent. */
export function recordingOrSkip(context: Mocha.Context, name: string): string {
  const path = recordingPath(name);
  if (path === undefined) {
    console.log(`skipped: no ${name}; set LANDFALL_RECORDINGS to a folder that has it`);
    context.skip();
  }
  return path;
}

/** The folder that holds the real recordings, whether it is there or not. */
export const RECORDINGS_FOLDER =
  PLACES.find((place) => place !== undefined && existsSync(place)) ?? '../shared/data';
