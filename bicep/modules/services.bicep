metadata description = 'All processes of the services image: which roles run together, as whom, and how they scale.'

import { identityType } from '../types.bicep'

@description('Required. Region.')
param location string
@description('Required. Tags.')
param tags object
@description('Required. Container Apps environment.')
param appsEnvironmentId string
@description('Required. The identities.')
param identities identityType[]
@description('Required. Least replicas of what must answer at once.')
@minValue(1)
param replicasMin int
@description('Required. Service Bus namespace.')
param serviceBusName string
@description('Required. Host of the container registry.')
param loginServer string
@description('Required. The services image, by digest.')
param image string
@description('Required. Application Insights component.')
param insightsName string
@description('Required. Environment variables all processes share, by name.')
param settings object

var identityOf = toObject(identities, identity => identity.name, identity => identity)

// The relay sends what a crash left unsent and looks every second, more often than a job can start: it is an app.
var workers = [
  { name: 'saga', roles: 'saga', queue: 'saga', identity: 'saga', min: replicasMin, max: 20 }
  { name: 'keeper', roles: 'relay,dead-letters', queue: '', identity: 'saga', min: 1, max: 1 }
  { name: 'landing', roles: 'landing', queue: 'landing', identity: 'handlers', min: replicasMin, max: 20 }
  { name: 'validate', roles: 'validate', queue: 'validate', identity: 'handlers', min: 0, max: 10 }
  { name: 'register', roles: 'register', queue: 'register', identity: 'handlers', min: 0, max: 10 }
  { name: 'copy', roles: 'copy', queue: 'copy', identity: 'handlers', min: 0, max: 10 }
  { name: 'extract', roles: 'extract', queue: 'extract', identity: 'handlers', min: 0, max: 10 }
  { name: 'sync', roles: 'sync', queue: 'sync', identity: 'handlers', min: 0, max: 10 }
  { name: 'enrich', roles: 'enrich', queue: 'enrich', identity: 'handlers', min: 0, max: 10 }
  { name: 'scene-detect', roles: 'scene-detect', queue: 'scene-detect', identity: 'handlers', min: 0, max: 10 }
  { name: 'share', roles: 'share', queue: 'share', identity: 'handlers', min: 0, max: 10 }
  { name: 'custody', roles: 'custody', queue: 'custody', identity: 'handlers', min: 0, max: 10 }
  { name: 'event-grid', roles: 'event-grid', queue: 'event-grid', identity: 'publisher', min: 0, max: 10 }
  // One replica: a table has one committer.
  { name: 'tables', roles: 'tables', queue: 'tables', identity: 'tables', min: 0, max: 1 }
]

// Behind each sweep stands something faster: a scheduled message, a blob event, a task's own report.
var sweeps = [
  { name: 'deadline-sweep', roles: 'deadline-sweep', identity: 'saga' }
  { name: 'landing-sweep', roles: 'accounts,landing-sweep', identity: 'handlers' }
  { name: 'task-poll', roles: 'task-poll', identity: 'handlers' }
]

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

// With local authentication off, the string says where telemetry goes; the identity says who may send it. Without a
// client id it is the process's own identity, on a Batch node the node's.
var telemetry = [
  { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: insights.properties.ConnectionString }
  { name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING', value: 'Authorization=AAD' }
]
var shared = map(items(settings), setting => { name: setting.key, value: setting.value })

module workerApps 'worker-app.bicep' = [
  for worker in workers: {
    name: 'worker-${worker.name}'
    params: {
      location: location
      name: worker.name
      tags: tags
      appsEnvironmentId: appsEnvironmentId
      roles: worker.roles
      queue: worker.queue
      replicasMin: worker.min
      replicasMax: worker.max
      identity: identityOf[worker.identity]
      scaler: identityOf.scaler
      serviceBusName: serviceBusName
      loginServer: loginServer
      image: image
      settings: concat(shared, telemetry)
    }
  }
]

module sweepJobs 'sweep-job.bicep' = [
  for sweep in sweeps: {
    name: 'sweep-${sweep.name}'
    params: {
      location: location
      name: sweep.name
      tags: tags
      appsEnvironmentId: appsEnvironmentId
      roles: sweep.roles
      identity: identityOf[sweep.identity]
      loginServer: loginServer
      image: image
      settings: concat(shared, telemetry)
    }
  }
]

module api 'api-app.bicep' = {
  name: 'api'
  params: {
    location: location
    tags: tags
    appsEnvironmentId: appsEnvironmentId
    replicasMin: replicasMin
    identity: identityOf.api
    loginServer: loginServer
    image: image
    settings: concat(shared, telemetry)
  }
}
