import { OpenAPIHono, type z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { TerminalFailure } from '#domain/failures.ts';
import { measurementIdOf, messageIdOf } from '#domain/identity.ts';
import type { Manifest } from '#domain/manifest.ts';
import type { Lineage, MeasurementLine, MeasurementStatus } from '#domain/measurement-status.ts';
import { type DataOf, sentenceOf } from '#domain/messages.ts';
import type { FailedMessage, ReplayAudit } from '#domain/ports/failed-message-store.ts';
import type { VehicleConfiguration } from '#domain/ports/vehicle-store.ts';
import type { TaskReportBody } from '#domain/tasks/task-report.ts';
import type { BlobLocation, DataStreamKind } from '#domain/vocabulary.ts';
import type { SteeringCommand } from '#handlers/operations/steer-measurement.ts';
import { type Authenticate, assertFleet, assertRole, type Caller, fleetsOf } from './access.ts';
import { answerProblem, problemOf } from './problem.ts';
import * as routes from './routes.ts';

/** What the API does; handed in by composition from src/handlers/operations. */
export interface MetadataOperations {
  status(measurementId: string): Promise<MeasurementStatus | undefined>;
  list(
    filter: { fleet?: string; vin?: string; state?: string },
    limit: number,
  ): Promise<readonly MeasurementLine[]>;
  lineage(measurementId: string): Promise<Lineage>;
  /** Whose it is; undefined when nobody has ever seen anything of it. */
  fleetOf(measurementId: string): Promise<string | undefined>;
  /** Opens a folder in Landing for the manifest. */
  createMeasurement(manifest: Manifest): Promise<{ folder: BlobLocation }>;
  placeDataStream(
    measurementId: string,
    request: { kind: DataStreamKind; name: string; parents: readonly string[] },
    requestId: string,
  ): Promise<{ dataStreamId: string; locations: readonly BlobLocation[] }>;
  steer<T extends SteeringCommand>(type: T, data: DataOf<T>, requestId: string): Promise<void>;
  reportTask(taskId: string, body: TaskReportBody): Promise<void>;
  shareLink(measurementId: string, actor: string): Promise<{ url: string; expiresAt: string }>;
  vehicleConfigurations(vin: string): Promise<readonly VehicleConfiguration[]>;
  saveVehicleConfiguration(vin: string, request: routes.VehicleRequest): Promise<VehicleConfiguration>;
  deadLetters(filter: { queue?: string; reason?: string }, limit: number): Promise<readonly FailedMessage[]>;
  deadLetter(failedMessageId: string): Promise<FailedMessage | undefined>;
  replayDeadLetters(request: routes.ReplayRequest): Promise<routes.ReplayAnswer>;
  replays(limit: number): Promise<readonly ReplayAudit[]>;
  queueCounts(): Promise<readonly routes.QueueCount[]>;
  /** An id nobody has had yet, for a wish that brings none. */
  newRequestId(): string;
}

type Api = OpenAPIHono<{ Variables: { caller: Caller } }>;

/**
 * The metadata API: measurements, data streams, scenes, lineage; task reports; dead letters; vehicles. Who asks is
 * asked before what.
 */
export function metadataApi(operations: MetadataOperations, authenticate: Authenticate): Api {
  const app: Api = new OpenAPIHono({
    defaultHook: (result, context) => {
      if (result.success) return undefined;
      return answerProblem(context, {
        type: 'https://landfall.dev/runbooks/message-invalid',
        title: 'message-invalid',
        status: 400,
        detail: sentenceOf(result.error as z.ZodError),
      });
    },
  });
  app.onError((error, context) => {
    const problem = problemOf(error);
    if (problem.status === 500) console.error(error);
    return answerProblem(context, problem);
  });
  app.notFound((context) =>
    answerProblem(context, {
      type: 'about:blank',
      title: 'not-found',
      status: 404,
      detail: `There is no ${context.req.method} ${context.req.path}. See /openapi.json.`,
    }),
  );
  guard(app, operations, authenticate);
  app.openapi(routes.health, (context) => context.json({ status: 'ok' as const }, 200));
  answerMeasurements(app, operations);
  acceptWishes(app, operations);
  answerDataStreams(app, operations);
  answerOperations(app, operations);
  answerVehicles(app, operations);
  routes.describeAccess(app);
  app.doc31('/openapi.json', routes.OPENAPI);
  return app;
}

/** Before each route that names a role: the caller has it, and that of the measurement's fleet. */
function guard(app: Api, operations: MetadataOperations, authenticate: Authenticate): void {
  for (const route of routes.ROUTES) {
    const role = routes.roleOf(route);
    if (role === undefined) continue;
    app.on(route.method, route.getRoutingPath(), async (context, next) => {
      const caller = await authenticate(context.req.header('authorization'));
      const what = `${context.req.method} ${context.req.path}`;
      assertRole(caller, role, what);
      const measurementId = context.req.param('measurementId');
      if (measurementId !== undefined && fleetsOf(caller) !== 'all') {
        const fleet = await operations.fleetOf(measurementId);
        if (fleet !== undefined) assertFleet(caller, fleet, what);
      }
      context.set('caller', caller);
      await next();
    });
  }
}

function answerMeasurements(app: Api, operations: MetadataOperations): void {
  app.openapi(routes.createMeasurement, async (context) => {
    const manifest = context.req.valid('json');
    assertFleet(context.get('caller'), manifest.fleet, `A measurement of fleet ${manifest.fleet}`);
    const { folder } = await operations.createMeasurement(manifest);
    return context.json(
      { measurementId: measurementIdOf(manifest.fleet, manifest.recordingId), folder },
      201,
    );
  });
  app.openapi(routes.listMeasurements, async (context) => {
    const { limit, ...filter } = context.req.valid('query');
    const caller = context.get('caller');
    const measurements = await listFor(caller, operations, given(filter), limit);
    return context.json({ measurements: [...measurements] }, 200);
  });
  app.openapi(routes.readMeasurement, async (context) =>
    context.json(await statusOf(operations, context.req.valid('param').measurementId), 200),
  );
  app.openapi(routes.readScenes, async (context) => {
    const { scenes } = await statusOf(operations, context.req.valid('param').measurementId);
    return context.json({ scenes }, 200);
  });
  app.openapi(routes.readLineage, async (context) => {
    const { measurementId } = context.req.valid('param');
    await statusOf(operations, measurementId);
    return context.json(await operations.lineage(measurementId), 200);
  });
}

/** Those of the fleets that the caller may see. */
async function listFor(
  caller: Caller,
  operations: MetadataOperations,
  filter: Parameters<MetadataOperations['list']>[0],
  limit: number,
): Promise<readonly MeasurementLine[]> {
  const fleets = fleetsOf(caller);
  if (filter.fleet !== undefined) assertFleet(caller, filter.fleet, `Fleet ${filter.fleet}`);
  if (filter.fleet !== undefined || fleets === 'all') return operations.list(filter, limit);
  const lists = await Promise.all(fleets.map((fleet) => operations.list({ ...filter, fleet }, limit)));
  return lists
    .flat()
    .toSorted((one, other) => (other.updatedAt ?? LATEST).localeCompare(one.updatedAt ?? LATEST))
    .slice(0, limit);
}

/** What is still arriving has not been written down, and comes first. */
const LATEST = '9999';

/** Who asks, for audits: whoever the token names, else who the body says. */
function actorOf(context: Context<{ Variables: { caller: Caller } }>, given: string): string {
  const caller = context.get('caller');
  return caller.kind === 'known' ? caller.name : given;
}

/** Wishes: each becomes a command to the saga, which decides. */
function acceptWishes(app: Api, operations: MetadataOperations): void {
  app.openapi(routes.cancel, async (context) => {
    const wish = context.req.valid('json');
    const data = { ...context.req.valid('param'), ...wish, actor: actorOf(context, wish.actor) };
    await operations.steer('landfall.measurement.cancel.v1', data, requestIdOf(context, operations));
    return context.body(null, 202);
  });
  app.openapi(routes.rerun, async (context) => {
    const wish = context.req.valid('json');
    const data = { ...context.req.valid('param'), ...wish, actor: actorOf(context, wish.actor) };
    await operations.steer('landfall.measurement.rerun.v1', data, requestIdOf(context, operations));
    return context.body(null, 202);
  });
  app.openapi(routes.rehydrate, async (context) => {
    const { from, ...wish } = context.req.valid('json');
    const actor = actorOf(context, wish.actor);
    const data = {
      ...context.req.valid('param'),
      ...wish,
      actor,
      ...(from === undefined ? {} : { from }),
    };
    await operations.steer('landfall.measurement.rehydrate.v1', data, requestIdOf(context, operations));
    return context.body(null, 202);
  });
  app.openapi(routes.shareLink, async (context) => {
    const { measurementId } = context.req.valid('param');
    const actor = actorOf(context, context.req.valid('json').actor);
    return context.json(await operations.shareLink(measurementId, actor), 200);
  });
}

function answerDataStreams(app: Api, operations: MetadataOperations): void {
  app.openapi(routes.announceDataStream, async (context) => {
    const { measurementId } = context.req.valid('param');
    const placed = await operations.placeDataStream(
      measurementId,
      context.req.valid('json'),
      requestIdOf(context, operations),
    );
    return context.json({ ...placed, locations: [...placed.locations] }, 201);
  });
  app.openapi(routes.readDataStreams, async (context) => {
    const { dataStreams } = await statusOf(operations, context.req.valid('param').measurementId);
    return context.json({ dataStreams }, 200);
  });
  app.openapi(routes.reportDataStreamState, async (context) => {
    const report = context.req.valid('json');
    const place = context.req.valid('param');
    // The same report said twice is one message, whoever repeats it.
    const requestId = messageIdOf('report', place.dataStreamId, report.attempt, report.state);
    await operations.steer('landfall.data-stream.report-state.v1', { ...place, ...report }, requestId);
    return context.body(null, 202);
  });
  app.openapi(routes.reportTask, async (context) => {
    await operations.reportTask(context.req.valid('param').taskId, context.req.valid('json'));
    return context.body(null, 202);
  });
}

function answerOperations(app: Api, operations: MetadataOperations): void {
  app.openapi(routes.listDeadLetters, async (context) => {
    const { limit, ...filter } = context.req.valid('query');
    return context.json({ deadLetters: [...(await operations.deadLetters(given(filter), limit))] }, 200);
  });
  app.openapi(routes.readDeadLetter, async (context) => {
    const { failedMessageId } = context.req.valid('param');
    const found = await operations.deadLetter(failedMessageId);
    if (found === undefined)
      throw new TerminalFailure('not-found', `There is no dead letter ${failedMessageId}.`);
    return context.json(found, 200);
  });
  app.openapi(routes.replayDeadLetters, async (context) => {
    const request = context.req.valid('json');
    const actor = actorOf(context, request.actor);
    return context.json(await operations.replayDeadLetters({ ...request, actor }), 200);
  });
  app.openapi(routes.listReplays, async (context) => {
    const replays = await operations.replays(context.req.valid('query').limit);
    return context.json(
      { replays: replays.map((entry) => ({ ...entry, failedMessageIds: [...entry.failedMessageIds] })) },
      200,
    );
  });
  app.openapi(routes.readQueues, async (context) =>
    context.json({ queues: [...(await operations.queueCounts())] }, 200),
  );
}

function answerVehicles(app: Api, operations: MetadataOperations): void {
  app.openapi(routes.readVehicleConfigurations, async (context) => {
    const configurations = await operations.vehicleConfigurations(context.req.valid('param').vin);
    return context.json({ configurations: [...configurations] }, 200);
  });
  app.openapi(routes.saveVehicleConfiguration, async (context) => {
    const { vin } = context.req.valid('param');
    return context.json(await operations.saveVehicleConfiguration(vin, context.req.valid('json')), 201);
  });
}

async function statusOf(operations: MetadataOperations, measurementId: string): Promise<MeasurementStatus> {
  const status = await operations.status(measurementId);
  if (status === undefined) {
    throw new TerminalFailure(
      'not-found',
      `There is no measurement ${measurementId}. GET /measurements lists them.`,
    );
  }
  return status;
}

/** A caller that may repeat itself sends an Idempotency-Key. */
function requestIdOf(context: Context, operations: MetadataOperations): string {
  return context.req.header('idempotency-key') ?? operations.newRequestId();
}

/** Absent is absent: no keys with undefined. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
