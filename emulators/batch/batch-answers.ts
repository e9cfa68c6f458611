// How the Batch REST API answers: documents, files and errors with their headers.
import { createReadStream, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { answerJson, BodyTooLargeError } from '../http-messages.ts';
import { BatchError } from './batch-error.ts';
import { TaskSetupError } from './task-process.ts';

/** A document as its headers show it. */
export interface Stamped {
  readonly eTag: string;
  readonly lastModified: string;
  readonly url: string;
}

/** What a route answers with. */
export interface Answer {
  readonly status: number;
  /** Shown as the body. */
  readonly body?: object | undefined;
  /** Sets ETag and Last-Modified. */
  readonly stamp?: Stamped;
  readonly file?: string;
}

const CONTENT_TYPE = 'application/json; odata=minimalmetadata';

/** Answers as the route decided. */
export function sendAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  common: Record<string, string>,
  { status, body, stamp, file }: Answer,
): void {
  const headers: Record<string, string> = { ...common };
  if (stamp !== undefined) {
    headers['etag'] = stamp.eTag;
    headers['last-modified'] = new Date(stamp.lastModified).toUTCString();
    if (status === 201 || status === 202) headers['dataserviceid'] = stamp.url;
  }
  if (file !== undefined) sendFile(request, response, headers, file);
  else if (body === undefined) response.writeHead(status, headers).end();
  else answerJson(response, status, body, { ...headers, 'content-type': CONTENT_TYPE });
}

function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  headers: Record<string, string>,
  file: string,
): void {
  const { size, mtime, birthtime } = statSync(file);
  const range = /^bytes=(\d+)-(\d*)$/.exec(String(request.headers['ocp-range'] ?? ''));
  const start = Number(range?.[1] ?? 0);
  const end = Math.min(range?.[2] ? Number(range[2]) : size - 1, size - 1);
  response.writeHead(range === null ? 200 : 206, {
    ...headers,
    'content-type': 'application/octet-stream',
    'content-length': String(Math.max(0, end - start + 1)),
    'last-modified': mtime.toUTCString(),
    'ocp-creation-time': birthtime.toUTCString(),
    'ocp-batch-file-isdirectory': 'false',
  });
  if (request.method === 'HEAD' || end < start) response.end();
  else createReadStream(file, { start, end }).pipe(response);
}

/** Answers with an error in the shape of the Batch REST API. Throws what is no refusal. */
export function answerError(
  request: IncomingMessage,
  response: ServerResponse,
  headers: Record<string, string>,
  error: unknown,
): void {
  const refused = asBatchError(error);
  if (refused === undefined) throw error;
  const body = {
    'odata.metadata': '$metadata#Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element',
    code: refused.code,
    message: {
      lang: 'en-US',
      value: `${refused.message}\nRequestId:${headers['request-id']}\nTime:${new Date().toISOString()}`,
    },
    ...(refused.values.length === 0 ? {} : { values: refused.values }),
  };
  if (request.method === 'HEAD') response.writeHead(refused.status, headers).end();
  else answerJson(response, refused.status, body, { ...headers, 'content-type': CONTENT_TYPE });
}

function asBatchError(error: unknown): BatchError | undefined {
  if (error instanceof BatchError) return error;
  if (error instanceof BodyTooLargeError) return new BatchError(413, 'RequestBodyTooLarge', error.message);
  if (error instanceof z.ZodError) return new BatchError(400, 'InvalidRequestBody', z.prettifyError(error));
  if (error instanceof TaskSetupError)
    return new BatchError(400, 'InvalidQueryParameterValue', error.message);
  return undefined;
}
