/** A binary min-heap: `push`, `pop` and `peek` of the first element in the order given. */
export class PriorityHeap<T> {
  #elements: T[] = [];
  readonly #isBefore: (left: T, right: T) => boolean;

  constructor(isBefore: (left: T, right: T) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#elements.length;
  }

  peek(): T | undefined {
    return this.#elements[0];
  }

  push(element: T): void {
    const elements = this.#elements;
    let index = elements.length;
    elements.push(element);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(element, elements[parent]!)) break;
      elements[index] = elements[parent]!;
      index = parent;
    }
    elements[index] = element;
  }

  pop(): T | undefined {
    const elements = this.#elements;
    const first = elements[0];
    const last = elements.pop();
    if (elements.length > 0 && last !== undefined) this.#sink(last);
    return first;
  }

  /** Drops what no longer matters, so that a heap with lazy deletion stays as small as what it serves. */
  keepOnly(matters: (element: T) => boolean): void {
    const kept = this.#elements.filter(matters);
    this.#elements = [];
    for (const element of kept) this.push(element);
  }

  #sink(element: T): void {
    const elements = this.#elements;
    const size = elements.length;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#isBefore(elements[child + 1]!, elements[child]!)) child++;
      if (!this.#isBefore(elements[child]!, element)) break;
      elements[index] = elements[child]!;
      index = child;
    }
    elements[index] = element;
  }
}
