// Hands a request to Azurite as it came, in this process, and releases its answer when the emulator is ready with it.
// Shared keys and signatures stay valid because neither the path nor a header is touched, and no request's body is held
// in memory.
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** What answers requests: Azurite, whose server is in this process. */
export type Serve = (request: IncomingMessage, response: ServerResponse) => void;

/** What to do with the answer to a write before it is released to the client. */
export interface Interception {
  /** Azurite has done its work; the client does not know yet. */
  beforeRelease(status: number, headers: OutgoingHttpHeaders): Promise<void>;
  /** Execute, but cut the connection instead of answering. */
  readonly loseAnswer: boolean;
}

/** The answer to a read goes out as Azurite gives it, with these headers added. */
export function passOn(
  serve: Serve,
  request: IncomingMessage,
  response: ServerResponse,
  added: Readonly<Record<string, string>> = {},
): void {
  for (const [name, value] of Object.entries(added)) response.setHeader(name, value);
  serve(request, response);
}

/** The answer to a write is small: it is held until what it says may be known. */
export function forward(
  serve: Serve,
  request: IncomingMessage,
  response: ServerResponse,
  interception: Interception,
): void {
  const held: Buffer[] = [];
  const { end } = response;
  const hold = (chunk: unknown, encoding: unknown): void => {
    if (typeof chunk === 'string')
      held.push(Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8'));
    else if (chunk instanceof Uint8Array) held.push(Buffer.from(chunk));
  };
  response.write = (chunk: unknown, encoding?: unknown) => {
    hold(chunk, encoding);
    return true;
  };
  response.end = (chunk?: unknown, encoding?: unknown) => {
    hold(chunk, encoding);
    interception.beforeRelease(response.statusCode, response.getHeaders()).then(
      () => {
        if (interception.loseAnswer) response.destroy();
        else end.call(response, Buffer.concat(held), 'utf8');
      },
      (error: unknown) => response.destroy(error as Error),
    );
    return response;
  };
  serve(request, response);
}
