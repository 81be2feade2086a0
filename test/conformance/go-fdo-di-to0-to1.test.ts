/** Replays DI, TO0 and TO1 as go-fdo ran them, and expects the same bytes from our roles. */
import { describe, expect, it } from 'vitest'
import { type Bytes, toHex } from '../../protocol/bytes.ts'
import { beginDi, diDevice } from '../../protocol/di/device.ts'
import { diManufacturer } from '../../protocol/di/manufacturer.ts'
import { AppStart, SetCredentials } from '../../protocol/di/messages.ts'
import { bodyOf } from '../../protocol/message.ts'
import { receive } from '../../protocol/role.ts'
import { HelloAck, OwnerSign, parseTo1d } from '../../protocol/to0/messages.ts'
import { beginTo0, to0Owner } from '../../protocol/to0/owner.ts'
import { to0Rendezvous } from '../../protocol/to0/rendezvous.ts'
import { beginTo1, to1Device } from '../../protocol/to1/device.ts'
import { HelloRVAck } from '../../protocol/to1/messages.ts'
import { to1Rendezvous } from '../../protocol/to1/rendezvous.ts'
import { parseMfgInfo } from '../../protocol/types/device-mfg-info.ts'
import {
  type Voucher,
  appendEntry,
  ownerKeyOf,
  parseVoucher,
} from '../../protocol/voucher/voucher.ts'
import { type RecordedRun, recordedRuns } from '../support/recorded-runs.ts'
import { signerOfRecorded } from '../support/recorded-signer.ts'

describe.each(recordedRuns)('go-fdo, $name', (run) => {
  it('DI: our device says what go-fdo’s said', async () => {
    const info = mfgInfoOf(run)
    const context = { info, hmacSecret: run.bytes('hmacSecret') }
    const begin = beginDi(context)
    expect(begin.reply).toEqual(run.message(10))
    const hmac = await receive(diDevice, begin.next!, run.message(11), context)
    expect(hmac.reply).toEqual(run.message(12))
    const done = await receive(diDevice, hmac.next!, run.message(13), context)
    const { header } = bodyOf(SetCredentials, run.message(11).bytes)
    expect(done).toMatchObject({ next: null, reply: null })
    expect(done.effects[0]?.credential).toMatchObject({
      active: true,
      guid: header.value.guid,
      rvInfo: header.value.rvInfo,
      deviceInfo: info.deviceInfo,
    })
  })

  it('DI: our manufacturer says what go-fdo’s said, and makes the same voucher', async () => {
    const { header } = bodyOf(SetCredentials, run.message(11).bytes)
    const recorded = parseVoucher(run.bytes('voucherAfterDI'))
    const context = {
      randomBytes: () => header.value.guid,
      admit: async () => ({
        rvInfo: header.value.rvInfo,
        deviceCertChain: recorded.deviceCertChain!,
        manufacturerKey: header.value.publicKey.value,
        order: '',
      }),
      findFirstOwner: async () => undefined,
    }
    const begin = { expects: 'DI.AppStart' } as const
    const credentials = await receive(diManufacturer, begin, run.message(10), context)
    expect(credentials.reply).toEqual(run.message(11))
    const done = await receive(diManufacturer, credentials.next!, run.message(12), context)
    expect(done.reply).toEqual(run.message(13))
    const { voucher } = done.effects[0]!
    expect(toHex(withEntryOf(voucher, recorded))).toBe(toHex(recorded.bytes))
  })

  it('TO0: our owner says what go-fdo’s said', async () => {
    const { to0d, to1d } = bodyOf(OwnerSign, run.message(22).bytes)
    const { voucher, waitSeconds } = to0d.value
    const signer = signerOfRecorded(ownerKeyOf(voucher).value.key, [to1d.bytes])
    const addresses = parseTo1d(to1d.value).to1dRV
    const context = { voucher, signer, addresses, waitSeconds }
    const begin = beginTo0(context)
    expect(begin.reply).toEqual(run.message(20))
    const ownerSign = await receive(to0Owner, begin.next!, run.message(21), context)
    expect(ownerSign.reply).toEqual(run.message(22))
    const accepted = await receive(to0Owner, ownerSign.next!, run.message(23), context)
    expect(accepted.effects).toEqual([{ type: 'registered', waitSeconds: 3600 }])
  })

  it('TO0 and TO1: our rendezvous says what go-fdo’s said', async () => {
    const { registered, messages } = await registerAtOurs(run)
    expect(messages).toEqual([run.message(21), run.message(23)])
    const context = {
      randomBytes: () => bodyOf(HelloRVAck, run.message(31).bytes).nonceTO1Proof,
      findRegistration: () => registered,
    }
    const begin = { expects: 'TO1.HelloRV' } as const
    const ack = await receive(to1Rendezvous, begin, run.message(30), context)
    expect(ack.reply).toEqual(run.message(31))
    const redirect = await receive(to1Rendezvous, ack.next!, run.message(32), context)
    expect(redirect).toEqual({ next: null, reply: run.message(33), effects: [] })
  })

  it('TO1: our device says what go-fdo’s said', async () => {
    const { guid } = bodyOf(SetCredentials, run.message(11).bytes).header.value
    const deviceKey = run.signer('devicePkcs8').key
    const context = { guid, signer: signerOfRecorded(deviceKey, [run.message(32).bytes]) }
    const begin = beginTo1(context)
    expect(begin.reply).toEqual(run.message(30))
    const proof = await receive(to1Device, begin.next!, run.message(31), context)
    expect(proof.reply).toEqual(run.message(32))
    const { effects } = await receive(to1Device, proof.next!, run.message(33), context)
    expect(effects).toEqual([
      {
        type: 'redirected',
        to1d: run.message(33).bytes,
        addresses: [{ ip: null, dns: 'owner.example.test', port: 8043, protocol: 3 }],
      },
    ])
  })
})

function mfgInfoOf(run: RecordedRun) {
  const { deviceMfgInfo } = bodyOf(AppStart, run.message(10).bytes)
  const info = parseMfgInfo(deviceMfgInfo)
  if (info.form !== 'csr') throw new Error('go-fdo sends a certificate request')
  return info
}

async function registerAtOurs(run: RecordedRun) {
  const context = {
    randomBytes: () => bodyOf(HelloAck, run.message(21).bytes).nonceTO0Sign,
    trust: () => ({}),
    order: () => 1,
    admit: () => 3600,
  }
  const ack = await receive(to0Rendezvous, { expects: 'TO0.Hello' }, run.message(20), context)
  const accepted = await receive(to0Rendezvous, ack.next!, run.message(22), context)
  return { registered: accepted.effects[0]!, messages: [ack.reply, accepted.reply] }
}

/** go-fdo's own first sale, on the voucher that we made. */
function withEntryOf(ours: Bytes, recorded: Voucher): Bytes {
  return appendEntry(parseVoucher(ours), recorded.entries[0]!.bytes)
}
