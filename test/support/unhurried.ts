/** A service in the process of its tests, on a machine that others use. */
import { Load } from '../../src/load.ts'

/** Goes by how much has begun, and not by how long it takes: that says nothing of the service. */
export class Unhurried extends Load {
  override async watch(): Promise<void> {}
}
