// Two replicas, of which one dies.

import { Profile } from './profile.mjs';

export async function a_replica_that_dies_costs_nobody_a_bookmark(stage) {
  const profile = await Profile.open(stage);
  const tab = await profile.signedIn('survivor');
  const signingIn = await Profile.open(stage);
  const half = await signingIn.tab();
  await half.goto(stage.at('/studio'));
  for (const index of [0, 1]) {
    await stage.ask('stop replica', { index });
    for (let visit = 0; visit < 3; visit += 1) {
      await tab.goto(stage.at('/studio'));
      await profile.isAt(tab);
    }
    if (index === 0) {
      await signingIn.signIn(half, 'half-signed-in');
      await signingIn.isAt(half);
    }
    await stage.ask('start replica', { index });
  }
}
