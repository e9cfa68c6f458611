/** Type codes of raw data and properties (NI, "TDMS File Format Internal Structure", tdsDataType). */
export const DataType = {
  void: 0,
  int8: 1,
  int16: 2,
  int32: 3,
  int64: 4,
  uint8: 5,
  uint16: 6,
  uint32: 7,
  uint64: 8,
  float32: 9,
  float64: 10,
  extendedFloat: 11,
  float32WithUnit: 0x19,
  float64WithUnit: 0x1a,
  extendedFloatWithUnit: 0x1b,
  string: 0x20,
  boolean: 0x21,
  timestamp: 0x44,
  complex64: 0x08_000c,
  complex128: 0x10_000d,
  daqmx: 0xffff_ffff,
} as const;

export type NumberKind =
  | 'bool'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'float32'
  | 'float64';

/** What the bytes of one value are. */
export type ValueKind = NumberKind | 'float128' | 'timestamp' | 'complex64' | 'complex128' | 'string';

const KINDS: ReadonlyMap<number, ValueKind> = new Map<number, ValueKind>([
  [DataType.int8, 'int8'],
  [DataType.int16, 'int16'],
  [DataType.int32, 'int32'],
  [DataType.int64, 'int64'],
  [DataType.uint8, 'uint8'],
  [DataType.uint16, 'uint16'],
  [DataType.uint32, 'uint32'],
  [DataType.uint64, 'uint64'],
  [DataType.float32, 'float32'],
  [DataType.float64, 'float64'],
  [DataType.float32WithUnit, 'float32'],
  [DataType.float64WithUnit, 'float64'],
  // LabVIEW keeps them in 80 bits and stores them in 128 (LabVIEW help, "How LabVIEW Stores Data in Memory").
  [DataType.extendedFloat, 'float128'],
  [DataType.extendedFloatWithUnit, 'float128'],
  [DataType.string, 'string'],
  [DataType.boolean, 'bool'],
  [DataType.timestamp, 'timestamp'],
  [DataType.complex64, 'complex64'],
  [DataType.complex128, 'complex128'],
]);

/** Undefined for types whose size is nowhere said (fixed point). */
export function kindOf(dataType: number): ValueKind | undefined {
  return KINDS.get(dataType);
}

/** Scalers count types on their own (observed in files of NI-DAQmx; the same table as npTDMS reads). */
const SCALER_KINDS: readonly NumberKind[] = [
  'uint8',
  'int8',
  'uint16',
  'int16',
  'uint32',
  'int32',
  'uint64',
  'int64',
  'float32',
  'float64',
];

export function scalerKindOf(code: number): NumberKind | 'timestamp' | undefined {
  return code === 0xffff_ffff ? 'timestamp' : SCALER_KINDS[code];
}

const SIZE_BYTES: Readonly<Record<Exclude<ValueKind, 'string'>, number>> = {
  bool: 1,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  float32: 4,
  float64: 8,
  float128: 16,
  timestamp: 16,
  complex64: 8,
  complex128: 16,
};

export function sizeBytesOf(kind: Exclude<ValueKind, 'string'>): number {
  return SIZE_BYTES[kind];
}

export function isNumberKind(kind: ValueKind): kind is NumberKind {
  return !['string', 'timestamp', 'complex64', 'complex128', 'float128'].includes(kind);
}
