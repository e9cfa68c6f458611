/**
 * Messages by sequence number, walkable in order from any number: what peeking needs. Numbers nearly always arrive
 * ascending, so an insertion is an append; deletions leave a hole that is swept up when holes outnumber messages.
 */
export class SequenceIndex<T> {
  readonly #bySequence = new Map<number, T>();
  #ordered: number[] = [];

  get size(): number {
    return this.#bySequence.size;
  }

  get(sequenceNumber: number): T | undefined {
    return this.#bySequence.get(sequenceNumber);
  }

  set(sequenceNumber: number, value: T): void {
    if (!this.#bySequence.has(sequenceNumber)) {
      const at = this.#positionOf(sequenceNumber);
      if (this.#ordered[at] !== sequenceNumber) this.#ordered.splice(at, 0, sequenceNumber);
    }
    this.#bySequence.set(sequenceNumber, value);
  }

  delete(sequenceNumber: number): void {
    this.#bySequence.delete(sequenceNumber);
    if (this.#ordered.length > 2 * this.#bySequence.size + 1024) {
      this.#ordered = this.#ordered.filter((number) => this.#bySequence.has(number));
    }
  }

  values(): Iterable<T> {
    return this.#bySequence.values();
  }

  *from(sequenceNumber: number): Generator<T> {
    const ordered = this.#ordered;
    for (let at = this.#positionOf(sequenceNumber); at < ordered.length; at++) {
      const value = this.#bySequence.get(ordered[at]!);
      if (value !== undefined) yield value;
    }
  }

  /** The first position whose number is not smaller. */
  #positionOf(sequenceNumber: number): number {
    const ordered = this.#ordered;
    const last = ordered.at(-1);
    if (last === undefined || last < sequenceNumber) return ordered.length;
    let low = 0;
    let high = ordered.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ordered[middle]! < sequenceNumber) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
