// The Batch REST API: authorization, routes, headers and errors. "Batch Service REST API", version 2022-10-01.16.0; newer
// versions are served alike.
import { randomUUID } from 'node:crypto';
import { rmSync, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { commitFaultBeforeExecution, type FaultPlan, serveFaultControl } from '../faults.ts';
import { answerJson, readBody, requestUrl } from '../http-messages.ts';
import type { BatchAccount } from './batch-account.ts';
import { type Answer, answerError, type Stamped, sendAnswer } from './batch-answers.ts';
import { BatchError } from './batch-error.ts';
import { listPage } from './odata-query.ts';
import type { Scheduler } from './scheduler.ts';
import { hasValidSignature } from './shared-key.ts';
import { listTaskFiles, placeInside } from './task-files.ts';

interface Facilities {
  readonly name: string;
  readonly key: string;
  readonly endpoint: string;
  readonly account: BatchAccount;
  readonly scheduler: Scheduler;
  readonly faults: FaultPlan;
}

interface Call {
  readonly request: IncomingMessage;
  readonly url: URL;
  readonly body: unknown;
  /** The decoded parts of the path that the route leaves open. */
  readonly ids: readonly string[];
}

type Route = readonly [method: string, path: string, serve: (call: Call) => Answer];

const BODY_BYTES_MAX = 4 * 1024 * 1024;

export class BatchFront {
  readonly #facilities: Facilities;
  readonly #routes: readonly { method: string; pattern: RegExp; serve: (call: Call) => Answer }[];

  constructor(facilities: Facilities) {
    this.#facilities = facilities;
    this.#routes = [
      ...this.#poolRoutes(),
      ...this.#jobRoutes(),
      ...this.#jobActionRoutes(),
      ...this.#taskRoutes(),
      ...this.#fileRoutes(),
    ].map(([method, path, serve]) => ({
      method,
      pattern: new RegExp(`^${path.replaceAll('**', '(.+)').replaceAll(/\{\w+\}/g, '([^/]+)')}$`),
      serve,
    }));
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    this.#serve(request, response).catch((error: unknown) => {
      console.error(`batch: ${request.method} ${request.url} failed:`, error);
      response.destroy();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (await serveFaultControl(this.#facilities.faults, request, response)) return;
    if (request.url === '/control/nodes/lose') return this.#loseNodes(request, response);
    const fault = this.#facilities.faults.next(request);
    if (fault !== undefined && (await commitFaultBeforeExecution(fault, response))) return;
    const headers = this.#commonHeaders(request);
    let answer: Answer;
    try {
      const raw = await readBody(request, BODY_BYTES_MAX);
      const url = requestUrl(request);
      this.#authorize(request, url, raw.length);
      answer = this.#route(request, url, raw.length === 0 ? undefined : parseJson(raw));
    } catch (error) {
      answerError(request, response, headers, error);
      return;
    }
    if (fault?.kind === 'lost-answer') response.destroy();
    else sendAnswer(request, response, headers, answer);
  }

  #authorize(request: IncomingMessage, url: URL, bodyBytes: number): void {
    const { headers, method = 'GET' } = request;
    if (headers.authorization?.startsWith('Bearer ')) return;
    const { name, key } = this.#facilities;
    if (!hasValidSignature(name, key, { method, url, headers, bodyBytes }))
      throw new BatchError(
        403,
        'AuthenticationFailed',
        'Server failed to authenticate the request. Make sure the value of the Authorization header is formed correctly including the signature.',
      );
  }

  #route(request: IncomingMessage, url: URL, body: unknown): Answer {
    if (!url.searchParams.has('api-version'))
      throw new BatchError(
        400,
        'MissingRequiredQueryParameter',
        'The query parameter api-version is required.',
      );
    for (const { method, pattern, serve } of this.#routes) {
      const match = method === request.method ? pattern.exec(url.pathname.replace(/\/$/, '')) : null;
      if (match !== null) return serve({ request, url, body, ids: match.slice(1).map(decodeURIComponent) });
    }
    throw new BatchError(404, 'ResourceNotFound', `There is no ${request.method} ${url.pathname}.`);
  }

  #poolRoutes(): Route[] {
    const { account, scheduler } = this.#facilities;
    return [
      ['POST', '/pools', ({ body }) => added(account.addPool(body))],
      ['GET', '/pools', ({ url }) => this.#list('pools', [...account.pools.values()], url)],
      ['GET', '/pools/{id}', ({ ids: [id = ''] }) => shown(account.pool(id))],
      ['HEAD', '/pools/{id}', ({ ids: [id = ''] }) => ({ status: 200, stamp: account.pool(id) })],
      ['PATCH', '/pools/{id}', ({ ids: [id = ''], body }) => changed(account.updatePool(id, body))],
      [
        'POST',
        '/pools/{id}/resize',
        ({ ids: [id = ''], body }) => changed(account.updatePool(id, body), 202),
      ],
      [
        'POST',
        '/pools/{id}/updateproperties',
        ({ ids: [id = ''], body }) => changed(account.updatePool(id, body), 204),
      ],
      [
        'DELETE',
        '/pools/{id}',
        ({ ids: [id = ''] }) => {
          account.deletePool(id);
          return { status: 202 };
        },
      ],
      [
        'GET',
        '/pools/{id}/nodes',
        ({ ids: [id = ''], url }) => {
          const pool = account.pool(id);
          const nodes = scheduler.nodes(id).map((node) => ({
            id: node.id,
            state: node.runningTasksCount > 0 ? 'running' : 'idle',
            vmSize: pool.vmSize,
            isDedicated: true,
            runningTasksCount: node.runningTasksCount,
            runningTaskSlotsCount: node.usedSlots,
          }));
          return this.#list('nodes', nodes, url);
        },
      ],
    ];
  }

  #jobRoutes(): Route[] {
    const { account, scheduler } = this.#facilities;
    return [
      ['POST', '/jobs', ({ body }) => added(account.addJob(body))],
      [
        'GET',
        '/jobs',
        ({ url }) => {
          const documents = [...account.jobs.values()].map((job) => job.document);
          return this.#list('jobs', documents, url);
        },
      ],
      ['GET', '/jobs/{id}', ({ ids: [id = ''] }) => shown(account.job(id).document)],
      ...['PATCH', 'PUT'].map(
        (method): Route => [
          method,
          '/jobs/{id}',
          ({ ids: [id = ''], body, request }) => {
            checkCondition(request, account.job(id).document);
            return changed(account.updateJob(id, body));
          },
        ],
      ),
      [
        'DELETE',
        '/jobs/{id}',
        ({ ids: [id = ''] }) => {
          account.deleteJob(id);
          rmSync(scheduler.jobFolder(id), { recursive: true, force: true });
          return { status: 202 };
        },
      ],
    ];
  }

  #jobActionRoutes(): Route[] {
    const { account } = this.#facilities;
    return [
      [
        'POST',
        '/jobs/{id}/terminate',
        ({ ids: [id = ''], body }) => {
          const reason = (body as { terminateReason?: string } | undefined)?.terminateReason;
          account.terminateJob(id, reason ?? 'UserTerminate');
          return { status: 202, stamp: account.job(id).document };
        },
      ],
      [
        'POST',
        '/jobs/{id}/disable',
        ({ ids: [id = ''], body }) => {
          const disableTasks = (body as { disableTasks?: string } | undefined)?.disableTasks ?? 'requeue';
          account.disableJob(id, disableTasks.toLowerCase());
          return { status: 202, stamp: account.job(id).document };
        },
      ],
      [
        'POST',
        '/jobs/{id}/enable',
        ({ ids: [id = ''] }) => {
          account.enableJob(id);
          return { status: 202, stamp: account.job(id).document };
        },
      ],
      [
        'GET',
        '/jobs/{id}/taskcounts',
        ({ ids: [id = ''] }) => {
          const job = account.job(id);
          const taskCounts = job.counts(() => 1);
          const taskSlotCounts = job.counts(({ requiredSlots }) => requiredSlots);
          return { status: 200, body: { taskCounts, taskSlotCounts } };
        },
      ],
    ];
  }

  #taskRoutes(): Route[] {
    const { account } = this.#facilities;
    return [
      ['POST', '/jobs/{id}/tasks', ({ ids: [id = ''], body }) => added(account.addTask(id, body))],
      [
        'GET',
        '/jobs/{id}/tasks',
        ({ ids: [id = ''], url }) => this.#list('tasks', [...account.job(id).tasks.values()], url),
      ],
      [
        'POST',
        '/jobs/{id}/addtaskcollection',
        ({ ids: [id = ''], body }) => {
          const { value } = z.object({ value: z.array(z.unknown()) }).parse(body);
          return { status: 200, body: { value: account.addTasks(id, value) } };
        },
      ],
      [
        'GET',
        '/jobs/{id}/tasks/{task}',
        ({ ids: [id = '', task = ''], url }) => {
          const document = account.task(id, task).task;
          const [body] = listPage([document], new URL(`${url.origin}/?${selectOf(url)}`)).value;
          return { status: 200, body, stamp: document };
        },
      ],
      [
        'PUT',
        '/jobs/{id}/tasks/{task}',
        ({ ids: [id = '', task = ''], body, request }) => {
          checkCondition(request, account.task(id, task).task);
          return changed(account.updateTask(id, task, body));
        },
      ],
      [
        'DELETE',
        '/jobs/{id}/tasks/{task}',
        ({ ids: [id = '', task = ''] }) => {
          account.deleteTask(id, task);
          rmSync(this.#facilities.scheduler.taskFolder(id, task), { recursive: true, force: true });
          return { status: 200 };
        },
      ],
      [
        'POST',
        '/jobs/{id}/tasks/{task}/terminate',
        ({ ids: [id = '', task = ''] }) => changed(account.terminateTask(id, task), 204),
      ],
      [
        'POST',
        '/jobs/{id}/tasks/{task}/reactivate',
        ({ ids: [id = '', task = ''] }) => changed(account.reactivateTask(id, task), 204),
      ],
    ];
  }

  #fileRoutes(): Route[] {
    const { account, scheduler, endpoint } = this.#facilities;
    const fileOf = ({ ids: [id = '', task = '', name = ''] }: Call): Answer => {
      account.task(id, task);
      const file = placeInside(scheduler.taskFolder(id, task), name);
      if (!statSync(file, { throwIfNoEntry: false })?.isFile())
        throw new BatchError(404, 'FileNotFound', 'The specified file does not exist.');
      return { status: 200, file };
    };
    return [
      [
        'GET',
        '/jobs/{id}/tasks/{task}/files',
        ({ ids: [id = '', task = ''], url }) => {
          account.task(id, task);
          const recursive = url.searchParams.get('recursive')?.toLowerCase() === 'true';
          const files = listTaskFiles(scheduler.taskFolder(id, task), recursive) ?? [];
          const value = files.map(({ name, isDirectory, sizeBytes, modifiedAt }) => ({
            name,
            url: `${endpoint}${url.pathname}/${name}`,
            isDirectory,
            ...(isDirectory
              ? {}
              : {
                  properties: {
                    contentLength: String(sizeBytes),
                    contentType: 'application/octet-stream',
                    lastModified: modifiedAt.toISOString(),
                  },
                }),
          }));
          return this.#list('files', value, url);
        },
      ],
      ['GET', '/jobs/{id}/tasks/{task}/files/**', fileOf],
      ['HEAD', '/jobs/{id}/tasks/{task}/files/**', fileOf],
    ];
  }

  #list(kind: string, documents: readonly object[], url: URL): Answer {
    const { endpoint } = this.#facilities;
    const page = listPage(documents, new URL(url.pathname + url.search, endpoint));
    return {
      status: 200,
      body: {
        'odata.metadata': `${endpoint}/$metadata#${kind}`,
        value: page.value,
        ...(page.nextLink === undefined ? {} : { 'odata.nextLink': page.nextLink }),
      },
    };
  }

  #commonHeaders(request: IncomingMessage): Record<string, string> {
    const clientRequestId = request.headers['client-request-id'];
    const wanted = String(request.headers['return-client-request-id'] ?? '').toLowerCase() === 'true';
    return {
      'request-id': randomUUID(),
      dataserviceversion: '3.0',
      ...(wanted && typeof clientRequestId === 'string' ? { 'client-request-id': clientRequestId } : {}),
    };
  }

  async #loseNodes(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = (await readBody(request)).toString('utf8');
    const order = z
      .strictObject({ poolId: z.string().optional(), nodeId: z.string().optional() })
      .safeParse(JSON.parse(text === '' ? '{}' : text));
    if (!order.success) {
      answerJson(response, 400, { error: z.prettifyError(order.error) });
      return;
    }
    const { poolId, nodeId } = order.data;
    const requeuedTasks = this.#facilities.scheduler.loseNodes(
      (node, pool) => (poolId === undefined || pool === poolId) && (nodeId === undefined || node === nodeId),
    );
    answerJson(response, 200, { requeuedTasks });
  }
}

function added(document: Stamped): Answer {
  return { status: 201, stamp: document };
}

function shown(document: Stamped): Answer {
  return { status: 200, body: document, stamp: document };
}

function changed(document: Stamped, status = 200): Answer {
  return { status, stamp: document };
}

function selectOf(url: URL): string {
  const select = url.searchParams.get('$select');
  return select === null ? '' : new URLSearchParams({ $select: select }).toString();
}

function checkCondition(request: IncomingMessage, document: Stamped): void {
  const wanted = request.headers['if-match'];
  if (wanted !== undefined && wanted !== '*' && wanted !== document.eTag)
    throw new BatchError(412, 'ConditionNotMet', 'The condition specified in the request is not met.');
}

function parseJson(raw: Buffer): unknown {
  try {
    return JSON.parse(raw.toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new BatchError(400, 'InvalidRequestBody', `The body is not JSON: ${error.message}`);
    throw error;
  }
}
