import { type BlockReader, linkOf, Mdf4Damage, requireData } from './blocks.ts';
import { type Conversion, compileConversion, type Reference } from './conversion.ts';
import { readText } from './text.ts';

const CHAIN_DEPTH_MAX = 16;
const FIXED_LINKS = 4;
const FIXED_DATA_BYTES = 24;

/** Reads CC blocks. Many channels share one, so each is read once for whole and once for other raw values. */
export class ConversionReader {
  readonly #reader: BlockReader;
  readonly #known = new Map<string, Promise<Conversion | undefined>>();

  constructor(reader: BlockReader) {
    this.#reader = reader;
  }

  /** @throws {Mdf4Damage} where a block is damaged, or conversions refer to one another in a circle. */
  read(link: number, integer: boolean, depth = 0): Promise<Conversion | undefined> {
    if (link === 0) return Promise.resolve(undefined);
    if (depth > CHAIN_DEPTH_MAX) {
      return Promise.reject(
        new Mdf4Damage(`the conversions at ${link} refer to one another more than 16 deep`),
      );
    }
    // The depth belongs to the key: a conversion that waits for itself would wait for ever.
    const key = `${link} ${integer} ${depth}`;
    const known = this.#known.get(key) ?? this.#read(link, integer, depth);
    this.#known.set(key, known);
    return known;
  }

  async #read(link: number, integer: boolean, depth: number): Promise<Conversion | undefined> {
    const block = await this.#reader.block(link, 'CC');
    const data = requireData(block, FIXED_DATA_BYTES);
    const type = data.getUint8(0);
    const referenceCount = Math.min(data.getUint16(4, true), block.links.length - FIXED_LINKS);
    const valueCount = Math.min(data.getUint16(6, true), (data.byteLength - FIXED_DATA_BYTES) >> 3);
    const values: number[] = [];
    const masks: bigint[] = [];
    for (let index = 0; index < valueCount; index++) {
      values.push(data.getFloat64(FIXED_DATA_BYTES + index * 8, true));
      masks.push(data.getBigUint64(FIXED_DATA_BYTES + index * 8, true));
    }
    const references: Reference[] = [];
    for (let index = 0; index < referenceCount; index++) {
      references.push(await this.#reference(linkOf(block, FIXED_LINKS + index), integer, depth));
    }
    const name = await readText(this.#reader, linkOf(block, 0));
    const unit = await readText(this.#reader, linkOf(block, 1));
    return compileConversion({ type, values, masks, references, unit, name }, integer);
  }

  async #reference(link: number, integer: boolean, depth: number): Promise<Reference> {
    if (link === 0) return undefined;
    const header = await this.#reader.header(link);
    if (header.id !== 'CC') return readText(this.#reader, link);
    return (await this.read(link, integer, depth + 1)) ?? AS_IT_IS;
  }
}

/** A reference to a conversion that changes nothing still says: a number, not a text. */
const AS_IT_IS: Conversion = { description: 'raw', unit: '', name: '', toNumber: (raw) => raw };
