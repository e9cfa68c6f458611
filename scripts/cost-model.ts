// What Landfall costs in Azure, from bicep/cost-inputs.json: prices with their meters, quantities, and three scales. The
// tables of docs/infrastructure/cost.md are made from here by `npm run generate`. A terabyte is 10¹² bytes.
import { readFileSync } from 'node:fs';

const HOURS_PER_MONTH = 730;
const SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600;
const DAYS_PER_MONTH = 365 / 12;
const GIGABYTES_PER_TERABYTE = 1000;
/** Every price is for 10,000 calls. */
const CALLS_PRICED = 10_000;
/** In addition to two endpoints per storage account: Service Bus, Cosmos DB, Event Grid, registry, vault, Batch twice. */
const OTHER_ENDPOINTS = 7;

interface Price {
  readonly amount: number;
  readonly unit: string;
  readonly meter: string;
  readonly source: string;
}

interface Scale {
  readonly name: string;
  readonly terabytesPerDay: number;
  readonly storageAccounts: number;
  readonly messagingUnits: number;
  /** A tenth of the highest throughput of each container: what autoscale charges when nothing happens. */
  readonly requestUnitsMinimum: number;
  readonly cosmosRegions: number;
  /** Of apps and jobs, on average over a month. */
  readonly replicas: number;
}

interface Quantities {
  readonly gigabytesPerMeasurement: number;
  readonly filesPerMeasurement: number;
  /** Extracted and later bytes per byte landed. */
  readonly derivedBytesPerByte: number;
  /** All passes of all tasks. */
  readonly coreHoursPerTerabyte: number;
  readonly coresPerNode: number;
  /** Share of a node's time that tasks use; the rest is starting and leaving. */
  readonly nodeUse: number;
  readonly passesOverPrivateEndpoints: number;
  readonly writesPerTerabyte: number;
  readonly readsPerTerabyte: number;
  readonly gridOperationsPerMeasurement: number;
  readonly requestUnitsPerMeasurement: number;
  readonly logGigabytesPerTerabyte: number;
  readonly coresPerReplica: number;
  readonly gibibytesPerReplica: number;
  readonly zoneFactorOfRequestUnits: number;
}

export interface CostInputs {
  readonly region: string;
  readonly currency: string;
  /** Month of the prices, as yyyy-mm. */
  readonly recorded: string;
  readonly prices: Readonly<Record<string, Price>>;
  readonly quantities: Quantities;
  readonly scales: readonly Scale[];
}

export function readCostInputs(): CostInputs {
  return JSON.parse(
    readFileSync(new URL('../bicep/cost-inputs.json', import.meta.url), 'utf8'),
  ) as CostInputs;
}

/** Item to amount, in the currency of the inputs. */
export type Costs = Readonly<Record<string, number>>;

function priceOf({ prices }: CostInputs, name: string): number {
  const price = prices[name];
  if (price === undefined)
    throw new Error(`bicep/cost-inputs.json has no price ${name}; the model asks for it.`);
  return price.amount;
}

/** What the road takes for one terabyte, once. */
export function costsPerTerabyte(inputs: CostInputs): Costs {
  const price = (name: string) => priceOf(inputs, name);
  const q = inputs.quantities;
  const measurements = GIGABYTES_PER_TERABYTE / q.gigabytesPerMeasurement;
  const files = measurements * q.filesPerMeasurement;
  return {
    'Batch nodes': (q.coreHoursPerTerabyte / q.coresPerNode / q.nodeUse) * price('node'),
    'private endpoints, bytes':
      q.passesOverPrivateEndpoints * GIGABYTES_PER_TERABYTE * price('privateTraffic'),
    'replication of the archive': GIGABYTES_PER_TERABYTE * price('geoReplication'),
    'storage calls':
      (q.writesPerTerabyte / CALLS_PRICED) * price('hotWrites') +
      (q.readsPerTerabyte / CALLS_PRICED) * price('hotReads') +
      // To cool, to cold and to the archive: three tier changes per file, each priced as a write of the new tier.
      ((3 * files) / CALLS_PRICED) * price('coldWrites'),
    'Event Grid': ((measurements * q.gridOperationsPerMeasurement) / 1e6) * price('gridOperations'),
    logs: q.logGigabytesPerTerabyte * price('logs'),
  };
}

/**
 * What a terabyte that landed `ageMonths` ago costs in its next month, by the lifecycle rules: raw is hot for a month,
 * cool for two, then cold; what was derived is hot for two, cool for four, then cold; the archive is for ever.
 */
export function storagePerMonth(inputs: CostInputs, ageMonths: number): Costs {
  const price = (name: string) => priceOf(inputs, name);
  const tier = (hotMonths: number, coolMonths: number) =>
    ageMonths < hotMonths
      ? 'storageHotZrs'
      : ageMonths < hotMonths + coolMonths
        ? 'storageCoolZrs'
        : 'storageColdZrs';
  return {
    raw: GIGABYTES_PER_TERABYTE * price(tier(1, 2)),
    'extracted and later': inputs.quantities.derivedBytesPerByte * GIGABYTES_PER_TERABYTE * price(tier(2, 4)),
    archive: GIGABYTES_PER_TERABYTE * price('storageArchiveGrs'),
  };
}

/** What is paid per month whether anything lands or not. */
export function fixedPerMonth(inputs: CostInputs, scale: Scale): Costs {
  const price = (name: string) => priceOf(inputs, name);
  const q = inputs.quantities;
  const replica = q.coresPerReplica * price('appCore') + q.gibibytesPerReplica * price('appMemory');
  return {
    'Service Bus': scale.messagingUnits * HOURS_PER_MONTH * price('messagingUnit'),
    'private endpoints':
      (2 * scale.storageAccounts + OTHER_ENDPOINTS) * HOURS_PER_MONTH * price('privateEndpoint'),
    'apps and jobs': scale.replicas * SECONDS_PER_MONTH * replica,
    registry: DAYS_PER_MONTH * price('registry'),
    'NAT gateway': HOURS_PER_MONTH * price('natGateway'),
  };
}

/** Autoscale charges each hour's highest throughput: three times the average stands for it, the minimum is the floor. */
export function metadataStorePerMonth({ quantities: q, ...inputs }: CostInputs, scale: Scale): number {
  const measurementsPerDay = (scale.terabytesPerDay * GIGABYTES_PER_TERABYTE) / q.gigabytesPerMeasurement;
  const average = (measurementsPerDay * q.requestUnitsPerMeasurement) / 86_400;
  const charged = Math.max(scale.requestUnitsMinimum, 3 * average);
  const price = priceOf({ quantities: q, ...inputs }, 'requestUnits');
  return (charged / 100) * HOURS_PER_MONTH * price * q.zoneFactorOfRequestUnits * scale.cosmosRegions;
}

/** The twelfth month of a steady stream from which nothing was removed. */
export function twelfthMonth(inputs: CostInputs, scale: Scale): Costs {
  const terabytesPerMonth = scale.terabytesPerDay * DAYS_PER_MONTH;
  const stored: Record<string, number> = {};
  for (let ageMonths = 0; ageMonths < 12; ageMonths++) {
    for (const [zone, amount] of Object.entries(storagePerMonth(inputs, ageMonths)))
      stored[`stored: ${zone}`] = (stored[`stored: ${zone}`] ?? 0) + amount * terabytesPerMonth;
  }
  const road = Object.entries(costsPerTerabyte(inputs)).map(([item, amount]) => [
    item,
    amount * terabytesPerMonth,
  ]);
  return {
    // A day's recordings at a time.
    'stored: Landing': scale.terabytesPerDay * GIGABYTES_PER_TERABYTE * priceOf(inputs, 'storageHotZrs'),
    ...stored,
    ...Object.fromEntries(road),
    'Cosmos DB': metadataStorePerMonth(inputs, scale),
    ...fixedPerMonth(inputs, scale),
  };
}

export function sumOf(costs: Costs): number {
  return Object.values(costs).reduce((sum, amount) => sum + amount, 0);
}
