// Prints one JSON line per domain event, with the answer of the event's published JSON Schema. See README.md.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { type DomainEvent, receiveEvents } from './receive-events.ts';

const { values } = parseArgs({
  options: {
    subscription: { type: 'string', default: 'perception' },
    until: { type: 'string' },
    measurement: { type: 'string' },
    'timeout-seconds': { type: 'string', default: '300' },
  },
});

const connectionString = process.env['LANDFALL_SERVICE_BUS_CONNECTION_STRING'];
if (connectionString === undefined) {
  console.error('LANDFALL_SERVICE_BUS_CONNECTION_STRING is not set. Run: eval "$(npx landfall env)"');
  process.exit(2);
}

const ajv = new Ajv2020({ strict: false });
addFormats.default(ajv);
const schemas = join(import.meta.dirname, '..', '..', 'schemas');

/** What is wrong with an event, as its schema says; undefined when nothing is. */
function problemOf(event: DomainEvent): string | undefined {
  const path = join(schemas, `${event.type}.json`);
  const validate = ajv.getSchema(path) ?? ajv.addSchema(schemaIn(path), path).getSchema(path);
  return validate?.(event) === true ? undefined : ajv.errorsText(validate?.errors);
}

function schemaIn(path: string): Record<string, unknown> {
  const { $id: _, ...schema } = JSON.parse(readFileSync(path, 'utf8'));
  return schema;
}

let allValid = true;
let reached = values.until === undefined;
await receiveEvents(
  connectionString,
  values.subscription,
  AbortSignal.timeout(Number(values['timeout-seconds']) * 1000),
  async (event) => {
    if (values.measurement !== undefined && event.subject !== values.measurement) return 'go on';
    const problem = problemOf(event);
    allValid &&= problem === undefined;
    const { type, subject, sequence, id } = event;
    console.log(JSON.stringify({ type, subject, sequence, id, valid: problem === undefined, problem }));
    if (event.type !== values.until) return 'go on';
    reached = true;
    return 'stop';
  },
);
if (!reached) console.error(`No ${values.until} within ${values['timeout-seconds']} seconds.`);
process.exit(allValid && reached ? 0 : 1);
