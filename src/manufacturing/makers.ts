/** Which parties may make devices: they are certified by the installation's own authority. */
import { Problem } from '../http/problem.ts'

export interface Makers {
  /** Whether anybody may act for it now. */
  isActive(party: string): Promise<boolean>
  hasRole(party: string, role: 'manufacturer'): Promise<boolean>
}

/** Throws not-permitted for a party that is no manufacturer. */
export async function demandMaker(parties: Makers, party: string): Promise<void> {
  if (await parties.hasRole(party, 'manufacturer')) return
  const next = 'whoever runs this installation can invite one with the role manufacturer'
  throw new Problem('not-permitted', `${party} does not make devices here: ${next}`)
}
