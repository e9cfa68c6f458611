import assert from 'node:assert/strict';
import { byteSourceOf } from '#formats/byte-source.ts';
import { detectFormat } from '#formats/detect-format.ts';
import { RecordingFormatError } from '#formats/recording-reader.ts';

const detect = (text: string, name = 'some.file') =>
  detectFormat(byteSourceOf(Buffer.from(text, 'latin1')), name);

describe('the format of a recording', () => {
  const KNOWN: Readonly<Record<string, string>> = {
    '#ROSBAG V2.0\n': 'rosbag',
    '\x89MCAP0\r\n': 'mcap',
    'MDF     4.11    ': 'mdf4',
    'UnFinMF 4.11    ': 'mdf4',
    'MDF     4.30\0\0\0\0': 'mdf4',
    TDSm: 'tdms',
    'SQLite format 3\0': 'rosbag2',
  };
  for (const [front, format] of Object.entries(KNOWN)) {
    it(`is ${format} for ${JSON.stringify(front)}`, async () => {
      assert.equal(await detect(`${front} and more`), format);
      assert.equal(await detect(front), format);
    });
  }

  it('is told by the ending only where bytes cannot tell', async () => {
    assert.equal(await detect('(\xb5/\xfd more', 'bag_0.db3.zstd'), 'rosbag2');
    assert.equal(await detect('', 'bag_0.db3'), 'rosbag2');
    await assert.rejects(detect('(\xb5/\xfd more', 'bag.bag'), /zstd/);
    assert.equal(await detect('#ROSBAG V2.0\n', 'lies.mcap'), 'rosbag');
  });
});

describe('a file that is no known recording', () => {
  const REFUSED: readonly (readonly [string, RegExp])[] = [
    ['', /it is empty/],
    ['\0'.repeat(64), /zeros/],
    ['MDF     3.30    ', /MDF of version 3\.30; only 4 is read/],
    ['MDF     2.14    ', /version 2\.14/],
    ['TDSh', /index; give the \.tdms file/],
    ['\x1f\x8b\x08', /gzip/],
    ['PK\x03\x04', /ZIP/],
    ['hello, world', /none of a known recording/],
  ];
  for (const [front, message] of REFUSED) {
    it(`is refused with what it is: ${message.source}`, async () => {
      await assert.rejects(
        detect(front),
        (error) =>
          error instanceof RecordingFormatError && message.test(error.message) && error.file === 'some.file',
      );
    });
  }
});
