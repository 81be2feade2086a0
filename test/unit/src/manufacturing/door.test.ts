import { describe, expect, it } from 'vitest'
import { type Door, admitCaller } from '../../../../src/manufacturing/door.ts'
import { HERE, type Source } from '../../../../src/http/source.ts'
import { partsOf } from '../../../support/vouchers.ts'

const [leaf, ca] = partsOf().chain
const now = new Date('2026-01-02T03:04:05Z')
const open: Door = { allow: ['127.0.0.0/8', '10.1.0.0/16', '::1/128'] }
const comeIn = (source: Partial<Source>, door: Door = open) =>
  admitCaller({ ...HERE, ...source }, door, now)

describe('the door of DI', () => {
  it.each(['127.0.0.1', '10.1.2.3', '::1', '::ffff:10.1.2.3'])('lets %s in', async (address) => {
    await comeIn({ address })
  })

  it.each(['10.2.0.1', '192.0.2.1', '::2', '::ffff:192.0.2.1', '', 'unknown'])(
    'keeps %s out',
    async (address) => {
      await expect(comeIn({ address })).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
    },
  )

  it('keeps out whoever comes through a proxy that is not trusted', async () => {
    await expect(comeIn({ forwarded: true })).rejects.toThrow('proxy')
  })

  const guarded: Door = { ...open, clientAnchors: [ca!] }

  it('wants a client certificate, where told to', async () => {
    await expect(comeIn({}, guarded)).rejects.toThrow('no client certificate')
    await comeIn({ clientCertificate: leaf! }, guarded)
  })

  it('wants one of a CA it knows', async () => {
    const stranger = partsOf('p256-cosekey-devP256').chain[0]!
    await expect(comeIn({ clientCertificate: stranger }, guarded)).rejects.toThrow(
      'its client certificate',
    )
  })

  it('wants one that is valid now', async () => {
    const source = { ...HERE, clientCertificate: leaf! }
    await expect(admitCaller(source, guarded, new Date('2020-01-01'))).rejects.toThrow(
      'its client certificate',
    )
  })

  it('wants the address as well', async () => {
    await expect(
      comeIn({ address: '192.0.2.1', clientCertificate: leaf! }, guarded),
    ).rejects.toThrow('not allowed')
  })

  it('takes what is no certificate for none that is good', async () => {
    const clientCertificate = Uint8Array.of(1, 2, 3)
    await expect(comeIn({ clientCertificate }, guarded)).rejects.toMatchObject({
      name: 'FdoError',
    })
  })
})
