import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../../../protocol/bytes.ts'
import { TransferRefusal } from '../../../../src/transfer/answer.ts'
import { buildPush, readPush } from '../../../../src/transfer/inbox/multipart.ts'
import { garbageLike } from '../../../support/mutation.ts'

const voucher = Uint8Array.of(0x85, 0, 13, 10, 45, 45, 255)
const TYPE = 'multipart/form-data; boundary=B'
const pushed = { voucher, serial: 'SN-1', model: 'M-1' }

async function statusOf(body: Uint8Array | string, type = TYPE): Promise<number | undefined> {
  const bytes = typeof body === 'string' ? utf8(body) : body
  return readPush(bytes, type).then(
    () => undefined,
    (error) => (error instanceof TransferRefusal ? error.status : Promise.reject(error)),
  )
}

describe('the body of a push', () => {
  it('is written as go-fdo writes it', () => {
    const { body, contentType } = buildPush(pushed, '66b2', 'B')
    expect(contentType).toBe(TYPE)
    expect(Buffer.from(body).toString('latin1')).toBe(
      [
        '--B',
        'Content-Disposition: form-data; name="voucher"; filename="66b2.fdoov"',
        'Content-Type: application/octet-stream',
        '',
        Buffer.from(voucher).toString('latin1'),
        '--B',
        'Content-Disposition: form-data; name="serial"',
        '',
        'SN-1',
        '--B',
        'Content-Disposition: form-data; name="model"',
        '',
        'M-1',
        '--B',
        'Content-Disposition: form-data; name="guid"',
        '',
        '66b2',
        '--B--',
        '',
      ].join('\r\n'),
    )
  })

  it('comes back as it was, whatever the voucher holds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const { body, contentType } = buildPush({ ...pushed, voucher: bytes }, '66b2')
        expect(await readPush(body, contentType)).toEqual({ ...pushed, voucher: bytes })
      }),
    )
  })

  it('need not name the device', async () => {
    const { body } = buildPush({ voucher, serial: null, model: null }, '', 'B')
    expect(Buffer.from(body).toString('latin1')).not.toContain('serial')
    expect(await readPush(body, TYPE)).toEqual({ voucher, serial: null, model: null })
  })

  const part = (name: string, content: string, file = true) =>
    `--B\r\nContent-Disposition: form-data; name="${name}"${file ? '; filename="a"' : ''}\r\n\r\n${content}\r\n`

  it.each([
    ['of another type', 415, part('voucher', 'x'), 'application/cbor'],
    ['without a boundary', 400, part('voucher', 'x'), 'multipart/form-data; charset=utf-8'],
    ['without a voucher', 400, `${part('other', 'x')}--B--\r\n`, TYPE],
    ['with two', 400, `${part('voucher', 'x')}${part('voucher', 'y')}--B--\r\n`, TYPE],
    ['with a voucher that is no file', 400, `${part('voucher', 'x', false)}--B--\r\n`, TYPE],
    ['with a serial number without end', 400, withSerial('x'.repeat(2000)), TYPE],
    [
      'with too many parts',
      400,
      `${part('voucher', 'x')}${part('p', '').repeat(20)}--B--\r\n`,
      TYPE,
    ],
    ['that is not multipart', 400, 'hello', TYPE],
    ['that is empty', 400, '', TYPE],
  ])('is refused %s', async (_, status, body, type) => {
    expect(await statusOf(body, type)).toBe(status)
  })

  function withSerial(serial: string): string {
    return `${part('voucher', 'x')}${part('serial', serial, false)}--B--\r\n`
  }

  it('that is damaged gives a voucher or a refusal, nothing else', async () => {
    const { body } = buildPush(pushed, '66b2', 'B')
    await fc.assert(
      fc.asyncProperty(garbageLike(body), async (bytes) => void (await statusOf(bytes))),
    )
  })
})
