import { sha1 } from './sha1.ts';
import type { Zone } from './vocabulary.ts';

/** Where new data goes: which account of a zone, and which folder in it. */

export interface PlacementAccount {
  readonly account: string;
  readonly zone: Zone;
  readonly region: string;
  /** Share of new data streams, relative to the other open accounts of the zone and region. */
  readonly weight: number;
  readonly state: 'open' | 'draining' | 'full';
}

/**
 * One of the open accounts of the zone and region, in proportion to their weights, or undefined when there is none.
 * The same key gets the same account as long as the set is the same, and opening another account moves as few keys
 * as possible (weighted rendezvous hashing).
 */
export function pickAccount(
  accounts: readonly PlacementAccount[],
  zone: Zone,
  region: string,
  key: string,
): string | undefined {
  let best: { readonly account: string; readonly score: number } | undefined;
  for (const candidate of accounts) {
    const open = candidate.state === 'open' && candidate.weight > 0;
    if (!open || candidate.zone !== zone || candidate.region !== region) continue;
    const score = -candidate.weight / Math.log(fractionOf(`${key}/${candidate.account}`));
    if (
      best === undefined ||
      score > best.score ||
      (score === best.score && candidate.account < best.account)
    )
      best = { account: candidate.account, score };
  }
  return best?.account;
}

/** Above 0 and below 1, evenly spread. */
function fractionOf(text: string): number {
  const bytes = sha1(new TextEncoder().encode(text));
  return (new DataView(bytes.buffer).getUint32(0) + 0.5) / 2 ** 32;
}

export interface FolderFacts {
  readonly region: string;
  readonly zone: Zone;
  readonly measurementId: string;
  readonly dataStreamId: string;
  readonly vin: string;
  /** When the recording began. */
  readonly date: Date;
}

const TOKENS = ['region', 'zone', 'measurementId', 'dataStreamId', 'vin', 'yyyy', 'mm', 'dd'] as const;

/** What is wrong with a folder template, as a sentence, or undefined. */
export function folderTemplateProblem(template: string): string | undefined {
  for (const token of ['measurementId', 'dataStreamId']) {
    if (!template.includes(`{${token}}`))
      return `the folder template ${template} must contain {${token}}, or data streams would share a folder`;
  }
  const unknown = [...template.matchAll(/\{([^}]*)\}/g)].find(
    ([, token]) => !TOKENS.some((known) => known === token),
  );
  if (unknown !== undefined)
    return `the folder template ${template} contains ${unknown[0]}; it may contain ${TOKENS.map((token) => `{${token}}`).join(', ')}`;
  return undefined;
}

/** The folder a template names, ending with a slash. Values cannot break out of their path segment. */
export function folderOf(template: string, facts: FolderFacts): string {
  const values: Record<(typeof TOKENS)[number], string> = {
    region: facts.region,
    zone: facts.zone,
    measurementId: facts.measurementId,
    dataStreamId: facts.dataStreamId,
    vin: facts.vin,
    yyyy: String(facts.date.getUTCFullYear()).padStart(4, '0'),
    mm: String(facts.date.getUTCMonth() + 1).padStart(2, '0'),
    dd: String(facts.date.getUTCDate()).padStart(2, '0'),
  };
  const folder = TOKENS.reduce(
    (text, token) => text.replaceAll(`{${token}}`, segmentOf(values[token])),
    template,
  );
  return `${folder.replace(/^\/+|\/+$/g, '')}/`;
}

function segmentOf(value: string): string {
  const segment = value.replaceAll(/[^A-Za-z0-9._-]/g, '_');
  return /^\.*$/.test(segment) ? '_' : segment;
}
