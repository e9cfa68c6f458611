import assert from 'node:assert/strict';
import type { Inspection } from '#adapters/cli/inspect-recording.ts';
import { inspectionText, rateText } from '#adapters/cli/inspect-text.ts';
import { durationText } from '#adapters/cli/terminal.ts';

describe('what inspect says to people', () => {
  it('is a duration in the unit that suits it', () => {
    const texts: Readonly<Record<string, number>> = {
      '0 ms': 0,
      '5 ns': 5e-9,
      '500 ns': 5e-7,
      '1 µs': 0.999_9e-6,
      '20 µs': 2e-5,
      '12.5 ms': 0.0125,
      '1 s': 0.999_99,
      '3.802 s': 3.8021,
      '1 min 0 s': 59.999,
      '1 min 35 s': 95,
      '2 min 0 s': 119.7,
      '1 h 0 min': 3599.9,
      '1 h 30 min': 5400,
    };
    for (const [text, seconds] of Object.entries(texts)) assert.equal(durationText(seconds), text);
  });

  it('is a rate in the unit that suits it', () => {
    const texts: Readonly<Record<string, number>> = {
      '0.0805 Hz': 0.080_548,
      '28.1 Hz': 28.08,
      '100 Hz': 99.96,
      '1174 Hz': 1174.2,
      '50 kHz': 50_000,
      '425 MHz': 425_061_425,
      '1 GHz': 1e9,
    };
    for (const [text, rateHz] of Object.entries(texts)) assert.equal(rateText(rateHz), text);
  });

  it('tells lost rows from what is only worth knowing', () => {
    const damage = (records: number, bytes: number) => {
      const summary = { format: 'mdf4', version: '4.30', sizeBytes: 1, tables: [], properties: {} } as const;
      const loss = { records, bytes, reasons: ['channel x is a union'] };
      return inspectionText('a.mf4', { summary: { ...summary, attachments: [] }, tables: [], loss });
    };
    assert.match(damage(0, 0), /damage {4}no rows lost, but:\n +channel x is a union/);
    assert.match(damage(1, 1500), /damage {4}1 record and 1\.5 KB could not be read\n/);
    assert.match(damage(2000, 0), /damage {4}2,000 records and 0 B could not be read\n/);
  });

  it('says that the file has no date, instead of letting 1970 pass for one', () => {
    const inspection = (startTimeNs: bigint): Inspection => ({
      summary: {
        format: 'tdms',
        version: '4713',
        sizeBytes: 195,
        tables: [],
        properties: {},
        attachments: [],
      },
      startTimeNs,
      endTimeNs: startTimeNs + 5n,
      tables: [],
      loss: { records: 0, bytes: 0, reasons: [] },
    });
    assert.match(inspectionText('a.tdms', inspection(0n)), /0\.000000005Z, 5 ns; the file says no date\n/);
    assert.doesNotMatch(inspectionText('a.tdms', inspection(1_700_000_000_000_000_000n)), /no date/);
  });
});
