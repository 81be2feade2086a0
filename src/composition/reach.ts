/**
 * How a rendezvous is reached: our own, where there is one, is spoken to without a socket. And the
 * register, which registers devices there. Part of the composition root.
 */
import type { Target } from '../../protocol/types/rendezvous-plan.ts'
import { type FdoTransport, inProcess } from '../fdo/client.ts'
import type { Exchange } from '../fdo/exchange.ts'
import { Connections } from '../onboarding/register/connections.ts'
import { Register } from '../onboarding/register/register.ts'
import { askBy } from '../onboarding/register/withdrawal/ask.ts'
import type { RendezvousHere } from '../onboarding/register/withdrawal/withdrawals.ts'
import type { Rendezvous } from '../rendezvous/assembly.ts'
import type { Services } from '../services.ts'
import type { Ground } from './ground.ts'
import { findOwnerSigner } from './voucher-keys.ts'

type Connect = (target: Target) => FdoTransport

export function reachOf(services: Services, publicUrl: () => string) {
  let exchange: Exchange | undefined
  const transport = () => {
    if (!exchange) throw new Error('a rendezvous was called before the service was up')
    return inProcess(exchange)
  }
  const isOwn = services.config.roles.includes('rendezvous')
  const connections = new Connections(
    isOwn ? { url: publicUrl, transport } : undefined,
    services.outbound,
  )
  return {
    connect: (target: Target) => connections.to(target),
    /** Our own, as the register takes back there what is over. */
    here: (rendezvous: Rendezvous | undefined): RendezvousHere | undefined =>
      rendezvous && {
        isAt: (url) => connections.isOwn(url),
        withdraw: (tx, registration) => rendezvous.registrations.withdrawOf(tx, registration),
      },
    start(started: Exchange) {
      exchange = started
    },
    stop: () => connections.close(),
  }
}

export function registerOf(
  services: Services,
  ground: Ground,
  reach: { readonly connect: Connect; readonly here: RendezvousHere | undefined },
): Register {
  const { vouchers, devices, ledger, settings } = ground
  const register = new Register({
    ...services,
    vouchers,
    devices,
    ownerAddresses: settings.ownerAddresses,
    lease: services.leases?.of('to0'),
    random: Math.random,
    askedSeconds: services.config.to0Seconds,
    ...reach,
    findOwnerSigner: (...key) => findOwnerSigner(services.keyStore, ...key),
    ask: askBy(services.outbound),
  })
  ledger.watch(register)
  return register
}
