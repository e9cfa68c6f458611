import type { Attributes } from './database.ts';
import type { TokenCursor } from './tokens.ts';

/** `BA_DEF_`, `BA_DEF_DEF_` and `BA_` of one file. Ids are as written, with the flag bit 31. */
export interface AttributeTable {
  /** `BA_DEF_ BO_ "VFrameFormat" ENUM "StandardCAN","J1939PG";` */
  define(cursor: TokenCursor): void;
  /** `BA_DEF_DEF_ "VFrameFormat" "J1939PG";` */
  setDefault(cursor: TokenCursor): void;
  /** `BA_ "VFrameFormat" BO_ 2364540158 3;` */
  set(cursor: TokenCursor): void;
  ofNetwork(): Attributes;
  /** Set on the message, else the default of an attribute that messages have. */
  ofMessage(writtenId: number): Attributes;
  /** Only what is set on the signal itself. */
  ofSignal(writtenId: number, signal: string): Attributes;
}

type Values = Record<string, string | number>;

export function attributeTable(): AttributeTable {
  const enumerations = new Map<string, string[]>();
  const subjectByName = new Map<string, string>();
  const defaults = new Map<string, string | number>();
  const valuesBySubject = new Map<string, Values>();

  const resolved = (name: string, value: string | number) =>
    typeof value === 'number' ? (enumerations.get(name)?.[value] ?? value) : value;
  const defaultsOf = (subject: string) =>
    [...defaults].filter(([name]) => (subjectByName.get(name) ?? '') === subject);

  return {
    define(cursor) {
      const subject = cursor.peek()?.kind === 'word' ? cursor.takeWord() : '';
      const name = cursor.takeText();
      subjectByName.set(name, subject);
      if (cursor.takeWord() !== 'ENUM') return;
      const labels: string[] = [];
      while (cursor.peek()?.kind === 'text') {
        labels.push(cursor.takeText());
        cursor.takeMarkIf(',');
      }
      enumerations.set(name, labels);
    },
    setDefault(cursor) {
      const name = cursor.takeText();
      defaults.set(name, takeValue(cursor));
    },
    set(cursor) {
      const name = cursor.takeText();
      let subject = '';
      if (cursor.peek()?.kind === 'word' && /^(BO_|SG_|BU_|EV_)$/.test(cursor.peek()?.value ?? '')) {
        const kind = cursor.takeWord();
        subject = `${kind} ${cursor.takeWord()}`;
        if (kind === 'SG_') subject += ` ${cursor.takeWord()}`;
      }
      const values = valuesBySubject.get(subject) ?? {};
      values[name] = resolved(name, takeValue(cursor));
      valuesBySubject.set(subject, values);
    },
    ofNetwork: () => ({ ...Object.fromEntries(defaultsOf('')), ...valuesBySubject.get('') }),
    ofMessage: (writtenId) => ({
      ...Object.fromEntries(defaultsOf('BO_').map(([name, value]) => [name, resolved(name, value)])),
      ...valuesBySubject.get(`BO_ ${writtenId}`),
    }),
    ofSignal: (writtenId, signal) => ({ ...valuesBySubject.get(`SG_ ${writtenId} ${signal}`) }),
  };
}

function takeValue(cursor: TokenCursor): string | number {
  return cursor.peek()?.kind === 'text' ? cursor.takeText() : cursor.takeNumber();
}
