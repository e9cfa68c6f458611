// Faults on demand for the emulators that speak HTTP. A test or a demonstration orders a fault over the
// emulator's own port (POST /control/faults), and the emulator asks the plan before it serves each request.
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

const regexText = z.string().refine(
  (text) => {
    try {
      new RegExp(text);
      return true;
    } catch (error) {
      if (error instanceof SyntaxError) return false;
      throw error;
    }
  },
  { error: 'is not a regular expression' },
);

const FaultDefinitionSchema = z.strictObject({
  /** Which requests: all parts given must fit. Patterns are regular expressions, found anywhere in the text. */
  match: z
    .strictObject({
      method: z.string().optional(),
      /** Against the path and query as they came over the wire, not decoded. */
      pathPattern: regexText.optional(),
      /** Header name in lower case to a pattern; a header that is absent never fits. */
      headerPatterns: z.record(z.string(), regexText).optional(),
    })
    .default({}),
  /**
   * `latency`: answer late. `status`: answer `status` and execute nothing. `lost-answer`: execute, then cut the
   * connection. `drop-connection`: cut the connection and execute nothing.
   */
  kind: z.enum(['latency', 'status', 'lost-answer', 'drop-connection']),
  /** How long to wait before anything else happens, with every kind; milliseconds. */
  latencyMs: z.number().int().min(0).max(600_000).default(0),
  /** The HTTP status of kind `status`. */
  status: z.number().int().min(400).max(599).default(503),
  /** Sent as `x-ms-retry-after-ms`, and as `retry-after` in whole seconds, rounded up; milliseconds. */
  retryAfterMs: z.number().int().min(0).optional(),
  /** Further headers of kind `status`. */
  headers: z.record(z.string(), z.string()).optional(),
  /** The JSON body of kind `status`. */
  body: z.unknown().optional(),
  /** How many fitting requests pass before the first one is hit. */
  skip: z.number().int().min(0).default(0),
  /** How many requests are hit; without it, all until the plan is cleared. */
  times: z.number().int().min(1).optional(),
});

/** A fault as it is ordered: defaults may be left out. */
export type FaultDefinition = z.input<typeof FaultDefinitionSchema>;

/** A fault in the plan, with how many requests it has hit so far. */
export type Fault = z.output<typeof FaultDefinitionSchema> & { readonly id: string; readonly hits: number };

/** What the plan looks at in a request; `IncomingMessage` of node:http fits. */
export interface FaultableRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

interface PlannedFault {
  readonly id: string;
  readonly definition: z.output<typeof FaultDefinitionSchema>;
  fitting: number;
  hits: number;
}

/** The faults one emulator has been ordered to commit. */
export class FaultPlan {
  readonly #faults = new Map<string, PlannedFault>();

  /** Adds a fault and returns its id. Throws `z.ZodError` when the definition has no meaning. */
  add(definition: FaultDefinition): string {
    const id = randomUUID();
    this.#faults.set(id, { id, definition: FaultDefinitionSchema.parse(definition), fitting: 0, hits: 0 });
    return id;
  }

  /** All faults in the order they were added, used up or not. */
  list(): Fault[] {
    return [...this.#faults.values()].map(asFault);
  }

  /** Forgets all faults. */
  clear(): void {
    this.#faults.clear();
  }

  /** The fault that hits this request: the first that fits and is not used up. Counts the hit. */
  next(request: FaultableRequest): Fault | undefined {
    if (this.#faults.size === 0) return undefined;
    for (const planned of this.#faults.values()) {
      const { skip, times } = planned.definition;
      if (times !== undefined && planned.hits >= times) continue;
      if (!fits(planned.definition.match, request)) continue;
      planned.fitting += 1;
      if (planned.fitting <= skip) continue;
      planned.hits += 1;
      return asFault(planned);
    }
    return undefined;
  }
}

function asFault(planned: PlannedFault): Fault {
  return { ...planned.definition, id: planned.id, hits: planned.hits };
}

function fits(match: Fault['match'], request: FaultableRequest): boolean {
  if (match.method !== undefined && match.method.toUpperCase() !== request.method?.toUpperCase())
    return false;
  if (match.pathPattern !== undefined && !new RegExp(match.pathPattern).test(request.url ?? '')) return false;
  return Object.entries(match.headerPatterns ?? {}).every(([name, pattern]) => {
    const value = request.headers[name.toLowerCase()];
    return value !== undefined && new RegExp(pattern).test(String(value));
  });
}

/**
 * The part of a fault that comes before a request is executed: waits, answers a `status`, cuts a dropped
 * connection. Returns true when the request is thereby done. The caller executes all others, and after executing
 * a `lost-answer` destroys the socket instead of answering.
 */
export async function commitFaultBeforeExecution(fault: Fault, response: ServerResponse): Promise<boolean> {
  if (fault.latencyMs > 0) await delay(fault.latencyMs);
  if (fault.kind === 'drop-connection') {
    response.destroy();
    return true;
  }
  if (fault.kind !== 'status') return false;
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (fault.retryAfterMs !== undefined) {
    headers['x-ms-retry-after-ms'] = String(fault.retryAfterMs);
    headers['retry-after'] = String(Math.ceil(fault.retryAfterMs / 1000));
  }
  const body = fault.body ?? { code: String(fault.status), message: 'A fault ordered at /control/faults.' };
  response.writeHead(fault.status, { ...headers, ...fault.headers });
  response.end(JSON.stringify(body));
  return true;
}

/**
 * Serves `/control/faults`: POST adds (201 with `{ id }`), GET lists, DELETE clears (204). Returns false, and
 * touches nothing, for every other path. No authorization: the emulators listen on loopback only.
 */
export async function serveFaultControl(
  plan: FaultPlan,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  if (request.url?.split('?')[0] !== '/control/faults') return false;
  if (request.method === 'GET') answerJson(response, 200, plan.list());
  else if (request.method === 'DELETE') {
    plan.clear();
    response.writeHead(204).end();
  } else if (request.method === 'POST') {
    const definition = parseDefinition(await bodyText(request));
    if ('error' in definition) answerJson(response, 400, definition);
    else answerJson(response, 201, { id: plan.add(definition.fault) });
  } else {
    answerJson(response, 405, {
      error: `${request.method} /control/faults is unknown: use POST, GET or DELETE.`,
    });
  }
  return true;
}

function parseDefinition(text: string): { fault: FaultDefinition } | { error: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return { error: `The fault is not JSON: ${error.message}` };
    throw error;
  }
  const parsed = FaultDefinitionSchema.safeParse(json);
  return parsed.success ? { fault: parsed.data } : { error: `Not a fault: ${z.prettifyError(parsed.error)}` };
}

function answerJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function bodyText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
