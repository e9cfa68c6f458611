// Forwards a request to Azurite as it came, and its answer as it went. Shared keys and signatures stay valid because
// neither the path nor a header is touched, and no body is held in memory.
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AzuriteClient } from './azurite-client.ts';

/** What to do with an answer before it is released to the client. */
export interface Interception {
  /** Azurite has done its work; the client does not know yet. Returned headers are added to the answer. */
  beforeRelease?(status: number, answer: IncomingMessage): Promise<Record<string, string> | undefined>;
  /** Execute, but cut the connection instead of answering. */
  readonly loseAnswer?: boolean;
}

export function forward(
  azurite: AzuriteClient,
  request: IncomingMessage,
  response: ServerResponse,
  interception: Interception,
): void {
  const send = azurite.secure ? httpsRequest : httpRequest;
  const upstream = send({
    host: '127.0.0.1',
    port: azurite.port,
    method: request.method,
    path: request.url,
    headers: request.rawHeaders,
    agent: azurite.agent,
    setHost: false,
  });
  upstream.on('response', (answer) => {
    release(answer, response, interception).catch((error: unknown) => response.destroy(error as Error));
  });
  upstream.on('error', (error) => {
    if (response.headersSent || response.destroyed) response.destroy();
    else
      response
        .writeHead(502, { 'content-type': 'text/plain' })
        .end(`Azurite did not answer: ${error.message}`);
  });
  // A client that goes away in the middle leaves neither half a blob nor an open connection behind.
  response.on('close', () => {
    if (!response.writableFinished) upstream.destroy();
  });
  request.pipe(upstream);
}

async function release(
  answer: IncomingMessage,
  response: ServerResponse,
  interception: Interception,
): Promise<void> {
  const status = answer.statusCode ?? 502;
  const added = await interception.beforeRelease?.(status, answer);
  if (interception.loseAnswer) {
    answer.resume();
    response.destroy();
    return;
  }
  const headers = [...answer.rawHeaders, ...Object.entries(added ?? {}).flat()];
  response.writeHead(status, answer.statusMessage ?? '', headers);
  answer.on('error', () => response.destroy());
  answer.pipe(response);
}
