import { describe, expect, it } from 'vitest'
import { fromHex } from '../../../../protocol/bytes.ts'
import { decodeAs } from '../../../../protocol/cbor/schema.ts'
import { RendezvousInfo } from '../../../../protocol/types/rendezvous-info.ts'
import { planRendezvous, waitMs } from '../../../../protocol/types/rendezvous-plan.ts'
import { rendezvousInfoFromText } from '../../../../protocol/types/rendezvous-text.ts'

const plan = (party: 'device' | 'owner', ...directives: unknown[]) =>
  planRendezvous(rendezvousInfoFromText(directives).value, party)

const urls = (party: 'device' | 'owner', ...directives: unknown[]) =>
  plan(party, ...directives).attempts.map(({ targets }) => targets.map(({ url }) => url))

const reasons = (party: 'device' | 'owner', ...directives: unknown[]) =>
  plan(party, ...directives).skipped

describe('the plan of a rendezvous', () => {
  it('tries the name before the address', () => {
    const directive = { dns: 'rv.example', ip: '10.0.0.1', dev_port: 8080, protocol: 'http' }
    expect(urls('device', directive)).toEqual([['http://rv.example:8080', 'http://10.0.0.1:8080']])
  })

  it('takes each party to its own port', () => {
    const directive = { dns: 'rv', dev_port: 8080, owner_port: 8081, protocol: 'http' }
    expect(urls('device', directive)).toEqual([['http://rv:8080']])
    expect(urls('owner', directive)).toEqual([['http://rv:8081']])
  })

  it.each([
    ['http', ['http://rv:80']],
    ['https', ['https://rv:443']],
    ['rest', ['https://rv:443', 'http://rv:80']],
    [undefined, ['https://rv:443']],
  ])('knows the ports of protocol %s', (protocol, expected) => {
    expect(urls('device', { dns: 'rv', ...(protocol && { protocol }) })).toEqual([expected])
  })

  it('puts IPv6 addresses in brackets', () => {
    const directive = { ip: '::1', dev_port: 8080, protocol: 'http' }
    expect(urls('device', directive)).toEqual([['http://[::1]:8080']])
  })

  it('keeps the order of the directives', () => {
    const [a, b] = ['a', 'b'].map((dns) => ({ dns, protocol: 'http' }))
    expect(urls('device', a, b)).toEqual([['http://a:80'], ['http://b:80']])
  })

  it('leaves each party what is not for it', () => {
    const forDevice = { dns: 'd', dev_only: true }
    const forOwner = { dns: 'o', owner_only: true }
    expect(plan('device', forDevice, forOwner).attempts.map(({ index }) => index)).toEqual([0])
    expect(plan('owner', forDevice, forOwner).attempts.map(({ index }) => index)).toEqual([1])
    expect(reasons('device', forOwner)).toEqual([{ index: 0, reason: 'for the owner only' }])
    expect(reasons('owner', forDevice)).toEqual([{ index: 0, reason: 'for the device only' }])
  })

  it('takes a bypass as the owner’s own address, which the owner need not register', () => {
    const directive = { dns: 'owner', dev_port: 8043, protocol: 'http', bypass: true }
    expect(plan('device', directive).attempts).toMatchObject([{ bypass: true }])
    expect(plan('owner', directive)).toMatchObject({ attempts: [], skipped: [{ index: 0 }] })
  })

  it.each([
    ['another transport', { dns: 'rv', protocol: 'coap-udp' }, 'not over HTTP: coap-udp'],
    ['an external mechanism', { ext_rv: '816161' }, 'an external rendezvous mechanism'],
    ['port 0', { dns: 'rv', dev_port: 0 }, 'port 0'],
    ['a name that is none', { dns: 'rv/path' }, 'not a DNS name'],
  ])('skips %s and says why', (_, directive, reason) => {
    const { attempts, skipped } = plan('device', directive, { dns: 'good' })
    expect(skipped).toEqual([{ index: 0, reason }])
    expect(attempts.map(({ index }) => index)).toEqual([1])
  })

  it('skips a directive without an address, and one it cannot read', () => {
    // [[[RVDevPort, 80]], [[RVDevPort]]]
    const info = decodeAs(RendezvousInfo, fromHex('82818203421850818103'), 'RendezvousInfo')
    expect(planRendezvous(info, 'device')).toEqual({
      attempts: [],
      skipped: [
        { index: 0, reason: 'neither DNS name nor IP' },
        { index: 1, reason: 'dev_port: expected a value' },
      ],
    })
  })

  it('waits as told, 120 seconds after the last, not at all in between', () => {
    const delays = (...directives: unknown[]) =>
      plan('device', ...directives).attempts.map(({ delaySeconds }) => delaySeconds)
    expect(delays({ dns: 'a' }, { dns: 'b' })).toEqual([0, 120])
    expect(delays({ dns: 'a', delay_seconds: 7 }, { dns: 'b', delay_seconds: 0 })).toEqual([7, 0])
    expect(delays({ dns: 'a' }, { dns: 'b', owner_only: true })).toEqual([120])
  })

  it('varies the wait by a quarter', () => {
    const [attempt] = plan('device', { dns: 'a', delay_seconds: 100 }).attempts
    const wait = (random: number) => waitMs(attempt ?? expect.fail(), random)
    expect([wait(0), wait(0.5), wait(1)]).toEqual([75_000, 100_000, 125_000])
  })
})
