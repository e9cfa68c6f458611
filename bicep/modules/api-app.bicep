metadata description = 'The metadata API and the console: reachable inside the virtual network only.'

import { identityType } from '../types.bicep'

@description('Required. Region.')
param location string
@description('Required. Tags.')
param tags object
@description('Required. Container Apps environment.')
param appsEnvironmentId string
@description('Required. Least replicas.')
param replicasMin int
@description('Required. Identity of the process.')
param identity identityType
@description('Required. Host of the container registry.')
param loginServer string
@description('Required. The services image, by digest.')
param image string
@description('Required. Environment variables all processes share.')
param settings array

var port = 8080

resource api 'Microsoft.App/containerApps@2025-01-01' = {
  name: 'api'
  location: location
  tags: tags
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }
  properties: {
    environmentId: appsEnvironmentId
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: [{ server: loginServer, identity: identity.id }]
      // External to the environment, which is itself internal to the virtual network: Batch nodes and people reach it.
      ingress: { external: true, targetPort: port, transport: 'http', allowInsecure: false }
    }
    template: {
      containers: [
        {
          name: 'api'
          image: image
          args: ['worker', '--roles', 'api']
          env: concat(settings, [
            { name: 'LANDFALL_IDENTITY_CLIENT_ID', value: identity.clientId }
            { name: 'LANDFALL_API_HOST', value: '0.0.0.0' }
            { name: 'LANDFALL_API_PORT', value: string(port) }
          ])
          resources: { cpu: json('0.5'), memory: '1Gi' }
          volumeMounts: [{ volumeName: 'temporary', mountPath: '/tmp' }]
          probes: [
            { type: 'Startup', httpGet: { path: '/health', port: port }, periodSeconds: 2, failureThreshold: 30 }
            { type: 'Liveness', httpGet: { path: '/health', port: port }, periodSeconds: 15, failureThreshold: 3 }
            { type: 'Readiness', httpGet: { path: '/health', port: port }, periodSeconds: 5, failureThreshold: 3 }
          ]
        }
      ]
      volumes: [{ name: 'temporary', storageType: 'EmptyDir' }]
      scale: {
        minReplicas: replicasMin
        maxReplicas: 10
        rules: [{ name: 'requests', http: { metadata: { concurrentRequests: '50' } } }]
      }
    }
  }
}
