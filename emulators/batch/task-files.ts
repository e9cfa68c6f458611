// The files a task gets before it runs and gives after it has, over the signed addresses in its definition.
// "Resource files" and "Persist output data to Azure Storage with the Batch service API", Azure Batch documentation.
import {
  chmodSync,
  createReadStream,
  createWriteStream,
  globSync,
  mkdirSync,
  readdirSync,
  statSync,
} from 'node:fs';
import { dirname, join, normalize, relative, resolve, sep } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { OutputFile, ResourceFile } from './documents.ts';
import { type RunnableTask, TaskSetupError } from './task-process.ts';

/** Downloads all resource files into the working folder. Throws `TaskSetupError`. */
export async function fetchResourceFiles(
  files: readonly ResourceFile[],
  task: RunnableTask,
  signal: AbortSignal,
): Promise<void> {
  for (const file of files) {
    const { httpUrl, storageContainerUrl } = file;
    if (httpUrl !== undefined) {
      const path = file.filePath ?? decodeURIComponent(new URL(httpUrl).pathname.split('/').pop() ?? '');
      await download(httpUrl, placeInside(task.workingFolder, path), file.fileMode, signal);
    }
    if (storageContainerUrl === undefined) continue;
    for (const name of await blobNames(storageContainerUrl, file.blobPrefix ?? '')) {
      const url = withPath(storageContainerUrl, name);
      await download(
        url,
        placeInside(task.workingFolder, join(file.filePath ?? '', name)),
        file.fileMode,
        signal,
      );
    }
  }
}

/** Uploads what the patterns match, where the end of the task fulfils the condition. Throws `TaskSetupError`. */
export async function uploadOutputFiles(
  files: readonly OutputFile[],
  task: RunnableTask,
  succeeded: boolean,
): Promise<void> {
  const fulfilled = new Set(['taskcompletion', succeeded ? 'tasksuccess' : 'taskfailure']);
  for (const { filePattern, destination, uploadOptions } of files) {
    if (!fulfilled.has(uploadOptions.uploadCondition)) continue;
    const { containerUrl, path } = destination.container;
    const hasWildcard = /[*?[]/.test(filePattern);
    for (const match of matches(filePattern, task)) {
      const inside = match.replace(/^(\.\.\/)+/, '');
      const name = hasWildcard || path === undefined ? [path, inside].filter(Boolean).join('/') : path;
      await upload(join(task.workingFolder, match), withPath(containerUrl, name));
    }
  }
}

/** One entry of "File - List From Task". */
export interface TaskFile {
  readonly name: string;
  readonly isDirectory: boolean;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
}

/** What is in the task's folder, or undefined when the task has never run. */
export function listTaskFiles(taskFolder: string, recursive: boolean): TaskFile[] | undefined {
  let names: string[];
  try {
    names = readdirSync(taskFolder, { recursive, encoding: 'utf8' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return names.sort().map((name) => {
    const stats = statSync(join(taskFolder, name));
    return {
      name: name.split(sep).join('/'),
      isDirectory: stats.isDirectory(),
      sizeBytes: stats.size,
      modifiedAt: stats.mtime,
    };
  });
}

/** The place of a relative path inside a folder. Throws `TaskSetupError` when it leads out of it. */
export function placeInside(folder: string, path: string): string {
  const place = resolve(folder, normalize(path));
  if (place !== folder && relative(folder, place).startsWith('..'))
    throw new TaskSetupError('InvalidFilePath', `${path} leads out of the task's folder.`);
  return place;
}

function matches(pattern: string, task: RunnableTask): string[] {
  // Patterns may look beside the working folder (`../std*.txt`), but not beyond the task's own folder.
  const found = globSync(pattern, { cwd: task.workingFolder });
  return found.filter((match) => {
    const file = resolve(task.workingFolder, match);
    return !relative(task.taskFolder, file).startsWith('..') && statSync(file).isFile();
  });
}

async function download(
  url: string,
  file: string,
  fileMode: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const answer = await fetch(url, { signal });
  if (!answer.ok || answer.body === null)
    throw new TaskSetupError(
      answer.status === 404 ? 'BlobNotFound' : 'BlobAccessDenied',
      `The resource file ${url.split('?')[0]} could not be downloaded: ${answer.status}.`,
    );
  mkdirSync(dirname(file), { recursive: true });
  await pipeline(Readable.fromWeb(answer.body), createWriteStream(file));
  if (fileMode !== undefined) chmodSync(file, Number.parseInt(fileMode, 8));
}

async function upload(file: string, url: string): Promise<void> {
  const answer = await fetch(url, {
    method: 'PUT',
    headers: {
      'x-ms-version': '2023-11-03',
      'x-ms-blob-type': 'BlockBlob',
      'content-length': String(statSync(file).size),
    },
    body: Readable.toWeb(createReadStream(file)) as ReadableStream,
    duplex: 'half',
  } as RequestInit);
  await answer.arrayBuffer();
  if (!answer.ok) {
    const code = answer.status === 404 ? 'FileUploadContainerNotFound' : 'FileUploadAccessDenied';
    throw new TaskSetupError(
      code,
      `The output file ${url.split('?')[0]} could not be uploaded: ${answer.status}.`,
    );
  }
}

async function blobNames(containerUrl: string, prefix: string): Promise<string[]> {
  const names: string[] = [];
  let marker = '';
  do {
    const url = new URL(containerUrl);
    for (const [name, value] of Object.entries({ restype: 'container', comp: 'list', prefix, marker }))
      url.searchParams.set(name, value);
    const answer = await fetch(url);
    const body = await answer.text();
    if (!answer.ok)
      throw new TaskSetupError(
        'ResourceContainerListFailed',
        `The container ${url.pathname} could not be listed: ${answer.status}.`,
      );
    for (const [, name = ''] of body.matchAll(/<Name>([^<]*)<\/Name>/g))
      names.push(name.replaceAll('&amp;', '&'));
    marker = /<NextMarker>([^<]*)<\/NextMarker>/.exec(body)?.[1] ?? '';
  } while (marker !== '');
  return names;
}

function withPath(containerUrl: string, blobName: string): string {
  const url = new URL(containerUrl);
  url.pathname = `${url.pathname}/${blobName.split('/').map(encodeURIComponent).join('/')}`;
  return url.href;
}
